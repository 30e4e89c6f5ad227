r"""One digest over all files of a module, equal for every copy of it.

The digest of a directory is the SHA-256 of its listing: one line "HEX  PATH" a file, HEX the
SHA-256 of its content and PATH relative with forward slashes, sorted by the bytes of PATH. Times,
owners, permissions and empty directories do not count. Standard tools compute the same:

    cd DIRECTORY
    find -L . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

The digest of a single file is the SHA-256 of its content.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from imagebeam.modules.errors import ModuleError

PREFIX = "sha256:"


def file_hashes(path: Path) -> dict[str, str]:
    """The SHA-256 of every file under the directory `path`, by relative path, sorted.

    Links to files are followed: their content is what counts.

    Raises:
        ModuleError: something under `path` is a link to a directory, no regular file, not
            readable, or has a name that a listing cannot hold.
    """
    names = sorted(_files_below(path), key=os.fsencode)
    return {name: _hash(path / name) for name in names}


def digest_of_hashes(hashes: Mapping[str, str]) -> str:
    """The digest of a directory whose `file_hashes` are known."""
    return PREFIX + hashlib.sha256(listing(hashes)).hexdigest()


def digest_of_file(path: Path) -> str:
    """The digest of a single-file module."""
    return PREFIX + _hash(path)


def listing(hashes: Mapping[str, str]) -> bytes:
    """The text that a directory's digest is the SHA-256 of."""
    return b"".join(b"%s  %s\n" % (value.encode(), os.fsencode(n)) for n, value in hashes.items())


def parse_listing(content: bytes) -> dict[str, str]:
    """The file hashes in a `listing`."""
    lines = (line.split(b"  ", 1) for line in content.splitlines())
    return {os.fsdecode(name): value.decode() for value, name in lines}


def differences(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    """What differs between two directories, one phrase a file: "changed: a.pb"."""
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
    # A pipe or device would block or never end; the three characters would break the listing.
    if not stat.S_ISREG(mode) or {"\\", "\n", "\r"} & set(path.name):
        raise ModuleError(
            f"{str(path)!r}: not a regular file with a plain name, so no part of a module. "
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
