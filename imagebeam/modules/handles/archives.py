"""Unpack the `.tar.gz` of a module: regular files and directories only; and `.task` bundles.

The filter "data" of `tarfile` would accept links, and Python 3.10 and early releases of 3.11 do not
have it. So the members are checked here.
"""

import gzip
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.types import FLATBUFFER_SUFFIX

BUNDLE_SUFFIX = ".task"

_BUNDLED = f"module{FLATBUFFER_SUFFIX}"
_MOST_MEMBERS = 100_000
_MOST_BYTES = 16 << 30


def unpack(archive: Path, directory: Path) -> None:
    """Unpack the `.tar.gz` file `archive` into the empty `directory`.

    Raises:
        ModuleError: the archive is truncated or damaged; or it has members that no module has:
            links, devices, paths outside the directory, duplicate names, more than 100,000
            members or 16 GiB.
    """
    try:
        with gzip.open(archive) as stream:
            # Before Python 3.11.14, a header with a negative size makes tarfile seek backwards
            # without end (CVE-2025-8194); a stream cannot seek.
            with tarfile.open(fileobj=stream, mode="r|") as members:
                _unpack_members(members, directory)
            # The checksum of gzip follows the last byte.
            while stream.read(1 << 20):
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise ModuleError(
            f"{str(archive)!r}: not a valid .tar.gz of a module ({error}). Fetch it again."
        ) from error


def unpack_bundle(bundle: Path, directory: Path) -> None:
    """Unpack the only flatbuffer of a `.task` bundle, a zip archive, into `directory`.

    Raises:
        ModuleError: the bundle is damaged, or holds no flatbuffer or several.
    """
    try:
        with zipfile.ZipFile(bundle) as archive:
            files = archive.infolist()
            found = [each for each in files if each.filename.endswith(FLATBUFFER_SUFFIX)]
            if len(found) != 1 or found[0].file_size > _MOST_BYTES:
                names = ", ".join(each.filename for each in found) or "none"
                raise ModuleError(
                    f"{str(bundle)!r}: a bundle with these .tflite files: {names}. Unzip it, and "
                    "give the one that classifies pictures."
                )
            with archive.open(found[0]) as content, (directory / _BUNDLED).open("xb") as file:
                shutil.copyfileobj(content, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModuleError(
            f"{str(bundle)!r}: not a valid bundle ({error}). Fetch it again."
        ) from error


def module_root(directory: Path, marker: str) -> Path:
    """Find the module in an unpacked archive: at the top, or in the only directory there."""
    if not (directory / marker).exists():
        entries = list(directory.iterdir())
        if len(entries) == 1 and entries[0].is_dir():
            return entries[0]
    return directory


def _unpack_members(members: tarfile.TarFile, directory: Path) -> None:
    free_bytes = _MOST_BYTES
    for number, member in enumerate(members):
        free_bytes -= member.size
        if number >= _MOST_MEMBERS or free_bytes < 0:
            raise ValueError(f"more than {_MOST_MEMBERS} members or {_MOST_BYTES >> 30} GiB")
        target = directory / _safe_name(member)
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        content = members.extractfile(member)
        if content is None or target.exists():
            raise ValueError(f"{member.name!r} occurs twice or has no content")
        with content, target.open("xb") as file:
            shutil.copyfileobj(content, file)
            if file.tell() != member.size:
                raise ValueError(f"{member.name!r} ends early")


def _safe_name(member: tarfile.TarInfo) -> PurePosixPath:
    if not (member.isreg() or member.isdir()):
        raise ValueError(f"{member.name!r} is neither a file nor a directory")
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\0" in member.name:
        raise ValueError(f"{member.name!r} points outside the module")
    return name
