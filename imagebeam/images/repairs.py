"""Second attempts for pictures that Pillow refuses although their pixels are all there.

Every browser shows them. Nothing here guesses a pixel: a picture that is incomplete stays an error.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import suppress

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
_BRANDS = (b"avif", b"heic")
_BMP_MARK = b"BM"
_BMP_HEADER = struct.Struct("<4xIIiiHHI")
_BMP_HEADER_AT = 6
_BMP_MASKS_AT = 54
_BITFIELDS, _ALPHA_BITFIELDS = 3, 6
_WITH_ALPHA = 56
"""Bytes of a header that has a mask for alpha."""

_FILLERS = (b"\0" * 4096, b"\x55" * 4096, b"\xaa" * 4096)


def repaired(data: bytes) -> Iterator[bytes]:
    """Yield what the data of a refused picture may be decoded as instead."""
    if data.startswith(_PNG_MARK):
        yield essential_png(data)
    elif data.startswith(_JPEG_MARK):
        # The first half of the end mark may be there.
        pixels = data.rstrip(_JPEG_END[:1])
        if _is_complete_jpeg(pixels):
            yield pixels + _JPEG_END
    elif data[4:8] == b"ftyp":
        # The decoders look at the first brand only.
        yield from (data[:8] + brand + data[12:] for brand in _BRANDS if brand in data[12:64])
    elif data.startswith(_BMP_MARK):
        with suppress(struct.error, ValueError):
            yield plain_bmp(data)


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


def plain_bmp(data: bytes) -> bytes:
    """Return a BMP of unusual bit masks as one of 8 bits per colour, on a white page.

    Raises:
        ValueError: it has no bit masks, or not all its pixels.
        struct.error: it ends within its header.
    """
    fields = _BMP_HEADER.unpack_from(data, _BMP_HEADER_AT)
    start, header_size, width, height, _, bits, compression = fields
    if compression not in (_BITFIELDS, _ALPHA_BITFIELDS) or bits not in (16, 32):
        raise ValueError("no bit masks")
    masks = struct.unpack_from("<4I", data, _BMP_MASKS_AT)
    if compression == _BITFIELDS and header_size < _WITH_ALPHA:
        masks = (*masks[:3], 0)
    row = (bits * width + 31) // 32 * 4
    stored = np.frombuffer(data, np.uint8, row * abs(height), start).reshape(abs(height), row)
    values = stored.view(f"<u{bits // 8}")[:, :width].astype(np.uint32)
    colours = np.stack([_scaled(values, mask) for mask in masks[:3]], axis=-1)
    if masks[3]:
        alpha = _scaled(values, masks[3])[..., None] / 255
        colours = np.round(255 - (255 - colours.astype(float)) * alpha).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(colours if height < 0 else colours[::-1]).save(buffer, "BMP")
    return buffer.getvalue()


def _scaled(values: npt.NDArray[np.uint32], mask: int) -> npt.NDArray[np.uint8]:
    """Return the bits under a mask, as 8 bits."""
    if mask == 0:
        return np.zeros(values.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    largest = mask >> shift
    scaled = ((values & mask) >> shift).astype(np.uint64) * 255 + largest // 2
    return (scaled // largest).astype(np.uint8)


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
