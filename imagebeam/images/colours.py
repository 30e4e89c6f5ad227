"""Convert any of Pillow's modes to RGB, by the rules of `imagebeam.images.decode`."""

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT

from imagebeam.images.errors import UnsupportedPixels

_WHITE_IS_ZERO = 0
_SIGNED = 2

_TRANSPARENT = "transparency"
"""Pillow's name for the one grey or colour that stands for full transparency."""


_BAND_PIXELS = 4_000_000


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the picture in RGB; raise UnsupportedPixels without an agreed black and white."""
    if image.mode == "I" and image.format == "PPM":
        # Pillow scales all maps of more than 8 bits to 16.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F", "LAB"):
        raise UnsupportedPixels(
            f"its pixels are {_unagreed(image)}, without an agreed black and white. "
            "Convert it to 8 bits per channel"
        )
    if image.mode.startswith("I;16"):
        return _upper_bits(image).convert("RGB")
    if image.has_transparency_data:
        return _laid_over_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _unagreed(image: Image.Image) -> str:
    if image.mode == "LAB":
        return "colours in CIELAB"
    fields = getattr(image, "tag_v2", {})
    (bits, *_) = fields.get(BITSPERSAMPLE, (32,))
    if image.mode == "F":
        return f"{bits}-bit floating-point numbers"
    has_sign = fields.get(SAMPLEFORMAT, (1,))[0] == _SIGNED
    return f"{bits}-bit integers{' with a sign' if has_sign else ''}"


def on_white_page(image: Image.Image, frame: tuple[int, int, int, int]) -> Image.Image:
    """Return an RGB picture that is white outside its (left, upper, right, lower) frame."""
    if frame == (0, 0, *image.size):
        return image
    page = Image.new("RGB", image.size, "white")
    page.paste(image.crop(frame), frame[:2])
    return page


def scale_transparent(image: PngImageFile) -> None:
    """Convert a PNG's transparent grey or colour to 8 bits, as its pixels are.

    Pillow leaves it in the depth of the file. Call this before the pixels are loaded.
    """
    key = image.info.get(_TRANSPARENT)
    match image.tile[0].args if image.tile else None:
        case "L;2" if key is not None:
            image.info[_TRANSPARENT] = key * 0x55
        case "L;4" if key is not None:
            image.info[_TRANSPARENT] = key * 0x11
        case "RGB;16B" if key is not None:
            image.info[_TRANSPARENT] = tuple(value >> 8 for value in key)


def _laid_over_white(image: Image.Image) -> Image.Image:
    """Return the picture on a white page, band by band: whole copies would take all memory."""
    page = Image.new("RGB", image.size)
    width, height = image.size
    rows = max(1, _BAND_PIXELS // max(width, 1))
    for upper in range(0, height, rows):
        box = (0, upper, width, min(upper + rows, height))
        band = image if box == (0, 0, width, height) else image.crop(box)
        white = Image.new("RGBA", (width, box[3] - upper), "white")
        band = Image.alpha_composite(white, band.convert("RGBA"))
        page.paste(band.convert("RGB"), (0, upper))
    return page


def _upper_bits(image: Image.Image) -> Image.Image:
    """Return the upper 8 of a greyscale picture's 12 or 16 bits."""
    values = np.asarray(image).astype(np.uint16)
    fields = getattr(image, "tag_v2", {})
    (bits,) = fields.get(BITSPERSAMPLE, (16,))
    if fields.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO:
        values = (1 << bits) - 1 - values
    grey = (values >> (bits - 8)).astype(np.uint8)
    if (key := image.info.get(_TRANSPARENT)) is not None:
        grey[values == key] = 0xFF
    return Image.fromarray(grey)
