"""Second attempts for pictures that Pillow refuses although their pixels are all there.

Every browser shows them. Nothing here guesses a pixel: a picture that is incomplete stays an error.
"""

import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

_PNG_MARK = b"\x89PNG\r\n\x1a\n"
_PNG_HEAD = 8
_PNG_TAIL = 4
_KEPT_CHUNKS = (b"tRNS", b"eXIf")
"""Chunks that change the picture, besides those that a decoder must know (upper-case names)."""

_JPEG_MARK = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_FILLERS = (b"\0" * 4096, b"\x55" * 4096, b"\xaa" * 4096)


def repaired(data: bytes) -> Iterator[bytes]:
    """Yield what the data of a refused picture may be decoded as instead."""
    if data.startswith(_PNG_MARK):
        yield essential_png(data)
    elif data.startswith(_JPEG_MARK) and _is_complete_jpeg(data):
        yield data + _JPEG_END


def essential_png(data: bytes) -> bytes:
    """Return a PNG without the chunks that do not change its pixels.

    Pillow refuses text and profiles that decompress to over a megabyte, and wrong checksums of
    chunks that it does not need.
    """
    kept = [data[: len(_PNG_MARK)]]
    at = len(_PNG_MARK)
    while at + _PNG_HEAD <= len(data):
        name = data[at + 4 : at + _PNG_HEAD]
        end = at + _PNG_HEAD + int.from_bytes(data[at : at + 4], "big") + _PNG_TAIL
        if name[:1].isupper() or name in _KEPT_CHUNKS:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _is_complete_jpeg(data: bytes) -> bool:
    """Return whether a JPEG without its end mark has all its pixels.

    The decoder fills what is missing without a word. If pixels are missing, they follow from the
    bytes that are put in their place.
    """
    if _JPEG_END in data[-2:]:
        return False
    decoded = (_pixels(data + filler + _JPEG_END) for filler in _FILLERS)
    first = next(decoded)
    return first is not None and all(
        pixels is not None and np.array_equal(pixels, first) for pixels in decoded
    )


def _pixels(data: bytes) -> npt.NDArray[np.uint8] | None:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            return np.asarray(image)
    # Decoders fail with any exception.
    except Exception:
        return None
