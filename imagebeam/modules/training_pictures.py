"""Remember the pictures that a module was trained on, so that `module evaluate` recognises them.

Kept are eight bytes of SHA-256 for each picture, in `assets.extra/training_pictures.bin` of a
folder or in the zip archive at the end of a flatbuffer. Of more pictures than the limit, those with
the lowest digests are kept: a random sample that is the same wherever it is taken.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

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
    """
    data = b""
    if (module / ASSET).is_file():
        data = (module / ASSET).read_bytes()
    elif module.is_file() and zipfile.is_zipfile(module):
        with zipfile.ZipFile(module) as archive:
            if FILE in archive.namelist():
                data = archive.read(FILE)[: LIMIT * _BYTES]
    return frozenset(data[start : start + _BYTES] for start in range(0, len(data), _BYTES))


def append_to_flatbuffer(flatbuffer: bytes, remembered: bytes) -> bytes:
    """Add the file to the zip archive at the end of a flatbuffer."""
    buffer = io.BytesIO(flatbuffer)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(zipfile.ZipInfo(FILE, (1980, 1, 1, 0, 0, 0)), remembered)
    return buffer.getvalue()
