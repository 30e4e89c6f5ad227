"""Remember the pictures that a module was trained on, so that `module evaluate` recognises them.

The file holds eight bytes of SHA-256 for each picture, in `assets.extra/training_pictures.bin` of a
folder or in the zip archive at the end of a flatbuffer. Of more pictures than the limit, those with
the lowest digests are kept: a random sample that is the same wherever it is taken.
"""

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path

from imagebeam.modules import appended_files

FILE = "training_pictures.bin"
ASSET = f"assets.extra/{FILE}"
LIMIT = 16_384

_BYTES = 8


def digest(picture: bytes) -> bytes:
    """Return eight bytes that identify an encoded picture."""
    return hashlib.sha256(picture).digest()[:_BYTES]


def content(digests: Iterable[bytes], limit: int = LIMIT) -> bytes:
    """Return the content of the file for pictures with these digests."""
    return b"".join(sorted(set(digests))[:limit])


def read(module: Path) -> frozenset[bytes]:
    """Return the digests that a module remembers; none where it remembers none.

    Args:
        module: a folder or a flatbuffer.

    Raises:
        ModuleError: the zip archive at the end of the flatbuffer is damaged.
    """
    data = b""
    if (module / ASSET).is_file():
        data = (module / ASSET).read_bytes()
    elif module.is_file() and zipfile.is_zipfile(module):
        found = appended_files.read(
            module.read_bytes(), lambda name: name == FILE, repr(str(module))
        )
        data = found.get(FILE, b"")[: LIMIT * _BYTES]
    return frozenset(data[start : start + _BYTES] for start in range(0, len(data), _BYTES))


def append_to_flatbuffer(flatbuffer: bytes, remembered: bytes) -> bytes:
    """Add the file to the zip archive at the end of a flatbuffer."""
    return appended_files.append(flatbuffer, {FILE: remembered})
