"""Decode encoded bytes to the pixels that a module takes.

The rules, one for all formats:

- The content decides the format, never the name: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000,
  PPM and its relatives, TGA, and HEIC where pillow-heif is installed. Of several frames the first
  is used.
- The picture is turned upright by its EXIF orientation first.
- Transparent parts, and parts of a GIF's screen that its first frame leaves empty, are white, as on
  a browser's page. Palettes are looked up, greyscale is repeated in three channels, CMYK and YCbCr
  are converted without colour profiles, 12 and 16 bits keep their upper 8. 32-bit integers, floats
  and LAB are refused: their black and white are not agreed.
- A picture is decoded if all its pixels are there, whatever else is missing or damaged. Data that
  end early are an error unless `truncated` is "accept"; the missing part is then grey or black. A
  JPEG that ends early with an end mark cannot be distinguished from a whole one.
"""

import io
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from imagebeam.images import signatures
from imagebeam.images.colours import on_white_page, scale_transparent, to_rgb
from imagebeam.images.decoded_image import DecodedImage
from imagebeam.images.errors import (
    Corrupt,
    DecodeError,
    DecodeMemory,
    EmptyFile,
    TooManyPixels,
    Truncated,
    UnsupportedPixels,
)
from imagebeam.images.picture_formats import format_of_picture
from imagebeam.images.repairs import repaired
from imagebeam.images.resizing import reduce_scale, resized
from imagebeam.images.settings import MAX_PIXELS, Resize, Truncation

_REDUCED = 4
"""A JPEG may have this many times the allowed pixels if it is decoded at a reduced scale."""

_ORIENTATION = 0x0112

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that turns a picture upright, by EXIF orientation (1 is upright)."""


Turn: TypeAlias = Callable[[int], AbstractContextManager[object]]
"""Takes the pixels that will be decoded, and waits until there is memory for them."""


def decode(
    data: bytes,
    size: tuple[int, int],
    resize: Resize = "crop",
    max_pixels: int = MAX_PIXELS,
    truncated: Truncation = "refuse",
    turn: Turn = nullcontext,
) -> DecodedImage:
    """Decode one picture and bring it to a module's input size.

    Args:
        data: the encoded picture.
        size: (height, width) of the result in pixels.
        resize: `crop` takes the centre, 87.5 % of the shorter side, in the proportions of
            `size`, and averages over it (box filter); `stretch` takes the whole picture,
            bilinear, as TensorFlow Hub's examples do.
        max_pixels: a picture with more is refused from its header, or from the size that it is
            decoded at if that is smaller. So is one with more than twice
            `PIL.Image.MAX_IMAGE_PIXELS`, unless that is None.
        truncated: whether data that end early are decoded as far as they go.
        turn: entered while the pixels are held.

    Raises:
        DecodeError: one of its leaves; nothing else.
    """
    if not data:
        raise EmptyFile("0 bytes")
    name = format_of_picture(data)
    _check_pixels(signatures.webp_canvas(data), max_pixels)
    try:
        return _decode(data, name, size, resize, max_pixels, turn)
    except _FINAL as error:
        raise _final(error) from error
    # Decoders fail with any exception: OSError, ValueError, SyntaxError, IndexError, struct.error.
    except Exception as error:
        failure = _failure(data, error)
    for other in repaired(data):
        with suppress(Exception):
            return _decode(other, name, size, resize, max_pixels, turn)
    if truncated == "accept" and isinstance(failure, Truncated):
        with suppress(Exception), _as_far_as_it_goes():
            return _decode(data, name, size, resize, max_pixels, turn)
    raise failure


_FINAL = (DecodeError, MemoryError, Image.DecompressionBombError)
"""Exceptions after which nothing else is tried."""


def _final(error: Exception) -> DecodeError:
    if isinstance(error, DecodeError):
        return error
    if isinstance(error, MemoryError):
        return DecodeMemory("no memory was left to decode it")
    return TooManyPixels(str(error))


@contextmanager
def _as_far_as_it_goes() -> Iterator[None]:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _decode(
    data: bytes, name: str, size: tuple[int, int], resize: Resize, max_pixels: int, turn: Turn
) -> DecodedImage:
    with ExitStack() as held, Image.open(io.BytesIO(data), formats=(name,)) as image:
        width, height = image.size
        if isinstance(image, JpegImageFile) and width * height <= _REDUCED * max_pixels:
            reduce_scale(image, size, resize)
        needed = image.size if _is_sequential(image) else (width, height)
        _check_pixels(needed, max_pixels)
        held.enter_context(turn(math.prod(needed)))
        return decode_opened(image, size, resize, (width, height))


def _is_sequential(image: Image.Image) -> bool:
    """Return whether memory for a reduced size is enough: a progressive JPEG takes the whole."""
    return not image.info.get("progressive")


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise TooManyPixels(f"{width}×{height} pixels, over the limit of {max_pixels:,}")


def decode_opened(
    image: Image.Image,
    size: tuple[int, int],
    resize: Resize,
    original: tuple[int, int] | None = None,
) -> DecodedImage:
    """Bring a picture that Pillow has opened to a module's input size. Changes the picture.

    Args:
        image: the picture.
        size: (height, width) of the result in pixels.
        resize: see `decode`.
        original: (width, height) of the picture where it is decoded at a reduced scale already.

    Raises:
        UnsupportedPixels: its values have no agreed black and white.
        Exception: what Pillow's decoders raise, of any kind, where it is not loaded yet.
    """
    width, height = original or image.size
    if isinstance(image, JpegImageFile) and original is None:
        reduce_scale(image, size, resize)
    elif isinstance(image, PngImageFile):
        scale_transparent(image)
    frame = image.tile[0].extents if isinstance(image, GifImageFile) and image.tile else None
    image.load()
    # Read after load: Pillow turns a TIFF itself, and a PNG may hold its EXIF after the pixels.
    orientation = _orientation(image)
    turned = orientation in (5, 6, 7, 8)
    # Resized before it is turned: the turn then moves a few thousand pixels and not millions.
    colours = to_rgb(image) if frame is None else on_white_page(to_rgb(image), frame)
    small = resized(colours, (size[1], size[0]) if turned else size, resize)
    # The number of the first method is 0, so its truth value is of no use.
    if orientation in _UPRIGHT:
        small = small.transpose(_UPRIGHT[orientation])
    if turned:
        width, height = height, width
    return DecodedImage(np.asarray(small), width, height)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    # Damaged EXIF says nothing of the pixels, which every viewer shows as they lie.
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


def _failure(data: bytes, error: Exception) -> DecodeError:
    """Return the leaf for whatever a decoder raised."""
    # The text of an UnidentifiedImageError is the address of a buffer.
    is_refused = isinstance(error, UnidentifiedImageError)
    reason = "no valid header" if is_refused else f"{type(error).__name__}: {error}".rstrip(": ")
    if signatures.ends_early(data) or "truncated" in reason:
        return Truncated(f"ends after {len(data):,} bytes ({reason})")
    if rare := signatures.unsupported_pixels(data):
        return UnsupportedPixels(f"{rare} is not decoded. Convert it to 8 bits per channel")
    if is_refused and signatures.is_tiff(data):
        return UnsupportedPixels("a TIFF of a kind that no decoder here reads")
    if "bitfields" in reason:
        return UnsupportedPixels("a BMP with rare bit masks is not decoded. Convert it to PNG")
    return Corrupt(reason)
