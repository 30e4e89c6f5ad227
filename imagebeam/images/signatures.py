"""What encoded bytes say of themselves before they are decoded, and whether their end is there."""

import re
from io import BytesIO
from operator import add

from PIL.TiffImagePlugin import (
    STRIPBYTECOUNTS,
    STRIPOFFSETS,
    TILEBYTECOUNTS,
    TILEOFFSETS,
    ImageFileDirectory_v2,
)

# The last is a BigTIFF, which Pillow reads in this order of bytes alone.
_TIFF = (b"II*\0", b"MM\0*", b"II+\0")

_KNOWN = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP"
    # The length of the header behind it: two letters alone would name many a text a BMP.
    rb"|BM............[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    re.DOTALL,
)


def is_known(data: bytes) -> bool:
    """Whether data starts as a JPEG, PNG, WebP, GIF, BMP or TIFF does."""
    return _KNOWN.match(data) is not None or is_tiff(data)


def is_tiff(data: bytes) -> bool:
    """Whether data starts as a TIFF does that Pillow may read."""
    return data.startswith(_TIFF)


def webp_canvas(data: bytes) -> tuple[int, int]:
    """(width, height) of an extended WebP, whose canvas Pillow allocates to open it; else (0, 0).

    https://developers.google.com/speed/webp/docs/riff_container#extended_file_format
    """
    if data[8:16] != b"WEBPVP8X":
        return 0, 0
    width, height = (int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    return width + 1, height + 1


def ends_early(data: bytes) -> bool:
    """Whether data lacks its end, by the end mark or length that its format prescribes."""
    if data.startswith(b"\xff\xd8"):
        return _jpeg_ends_early(data)
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64 * 1024 :]
    if data.startswith(b"GIF8"):
        return not data.rstrip(b"\0").endswith(b";")
    if data.startswith(b"RIFF"):
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    if data.startswith(b"BM"):
        return len(data) < int.from_bytes(data[2:6], "little")
    return _tiff_ends_early(data)


def _jpeg_ends_early(data: bytes) -> bool:
    # Segment by segment to the scan: a thumbnail in the header has an end mark of its own.
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return b"\xff\xd9" not in data[at:]


def _tiff_ends_early(data: bytes) -> bool:
    is_big = data[2:3] == b"+"
    try:
        directory = ImageFileDirectory_v2(data[: 16 if is_big else 8])
        file = BytesIO(data)
        file.seek(directory.next)
        directory.load(file)
        starts = directory.get(STRIPOFFSETS) or directory[TILEOFFSETS]
        lengths = directory.get(STRIPBYTECOUNTS) or directory.get(TILEBYTECOUNTS) or (0,)
        return bool(max(map(add, starts, lengths)) > len(data))
    # The directory itself is not all there.
    except Exception:
        return True
