r"""Compute one digest over all files of a module, equal for every copy of it.

The digest of a directory is the SHA-256 of its listing: one line "HEX  PATH" per file, where HEX is
the SHA-256 of its content and PATH is relative with forward slashes, sorted by the bytes of PATH.
Times, owners, permissions and empty directories do not count. Standard tools compute the same:

    cd DIRECTORY
    find -L . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

The digest of a single file is the SHA-256 of its content.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from imagebeam.modules.errors import ModuleError

PREFIX = "sha256:"


def file_hashes(path: Path) -> dict[str, str]:
    """Compute the SHA-256 of every file under `path`, by relative path, sorted.

    Links to files are followed.

    Raises:
        ModuleError: an entry under `path` is a link to a directory, is not a regular file, is not
            readable, or has a name that a listing cannot hold.
    """
    names = sorted(_files_below(path), key=os.fsencode)
    return {name: _hash(path / name) for name in names}


def digest_of_hashes(hashes: Mapping[str, str]) -> str:
    """Compute the digest of a directory from its `file_hashes`."""
    return PREFIX + hashlib.sha256(listing(hashes)).hexdigest()


def digest_of_file(path: Path) -> str:
    """Compute the digest of a single-file module."""
    return PREFIX + _hash(path)


def listing(hashes: Mapping[str, str]) -> bytes:
    """Return the listing; its SHA-256 is the digest of the directory."""
    return b"".join(b"%s  %s\n" % (value.encode(), os.fsencode(n)) for n, value in hashes.items())


def parse_listing(content: bytes) -> dict[str, str]:
    """Parse a `listing` into file hashes."""
    lines = (line.split(b"  ", 1) for line in content.splitlines())
    return {os.fsdecode(name): value.decode() for value, name in lines}


def differences(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    """Describe the differences of two directories, one phrase per file: "changed: a.pb"."""
    names = sorted({*expected, *actual}, key=os.fsencode)
    return [
        f"{_difference(name, expected, actual)}: {name}"
        for name in names
        if expected.get(name) != actual.get(name)
    ]


def _difference(name: str, expected: Mapping[str, str], actual: Mapping[str, str]) -> str:
    if name not in actual:
        return "missing"
    return "changed" if name in expected else "added"


def _files_below(directory: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(directory, onerror=_refuse_unreadable):
        for name in folders:
            if (Path(folder) / name).is_symlink():
                raise ModuleError(
                    f"{str(Path(folder) / name)!r}: a link to a directory inside a module. "
                    "Replace it by the directory itself."
                )
        for name in files:
            path = Path(folder) / name
            _check_file(path)
            yield path.relative_to(directory).as_posix()


def _check_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ModuleError(f"{str(path)!r}: {error.strerror}. Copy the module again.") from error
    # A pipe or device could block; the three characters would break the listing.
    if not stat.S_ISREG(mode) or {"\\", "\n", "\r"} & set(path.name):
        raise ModuleError(
            f"{str(path)!r}: not a regular file with a plain name, so not part of a module. "
            "Remove it."
        )


def _refuse_unreadable(error: OSError) -> None:
    raise ModuleError(f"{error.filename!r}: {error.strerror}. Make the module readable.") from error


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ModuleError(f"{str(path)!r}: {error.strerror}. Make the module readable.") from error
    return digest.hexdigest()
