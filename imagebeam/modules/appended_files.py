"""The files in the zip archive at the end of a flatbuffer.

This is the convention of TensorFlow Lite Metadata for associated files, see
https://www.tensorflow.org/lite/models/convert/metadata.
"""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping

from imagebeam.modules.errors import ModuleError

LARGEST = 16 << 20
"""Bytes of the largest file that is read."""

# Zip entries have a time; a fixed one makes equal modules equal byte by byte.
_TIME = (1980, 1, 1, 0, 0, 0)
_DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError),
    *(NotImplementedError, RuntimeError),
)


def append(flatbuffer: bytes, files: Mapping[str, bytes]) -> bytes:
    """Add files, by name, to the archive of a flatbuffer."""
    buffer = io.BytesIO(flatbuffer)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), content)
    return buffer.getvalue()


def read(flatbuffer: bytes, wanted: Callable[[str], bool], source: str) -> dict[str, bytes]:
    """Return the files whose names are wanted, by name.

    Args:
        flatbuffer: with or without an archive.
        wanted: returns whether the file of a name is wanted.
        source: names the flatbuffer in errors.

    Raises:
        ModuleError: the archive is damaged, or a file in it has more than 16 MiB.
    """
    buffer = io.BytesIO(flatbuffer)
    if not zipfile.is_zipfile(buffer):
        return {}
    try:
        with zipfile.ZipFile(buffer) as archive:
            return {
                entry.filename: _content(archive, entry)
                for entry in archive.infolist()
                if wanted(entry.filename)
            }
    except _DAMAGES as error:
        raise damaged(source, error) from error


def damaged(source: str, reason: object) -> ModuleError:
    """Return the error for a file that cannot be read."""
    return ModuleError(
        f"{source}: its appended metadata is damaged ({reason}). Fetch or compile it again."
    )


def without(flatbuffer: bytes) -> bytes:
    """Cut off the archive."""
    buffer = io.BytesIO(flatbuffer)
    if not zipfile.is_zipfile(buffer):
        return flatbuffer
    with zipfile.ZipFile(buffer) as archive:
        starts = [entry.header_offset for entry in archive.infolist()]
    return flatbuffer[: min(starts)] if starts else flatbuffer


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{entry.filename!r} is larger than {LARGEST >> 20} MiB")
    return content
