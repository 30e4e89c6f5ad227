"""Any of Pillow's modes to RGB, by the rules of `imagebeam.images.decode`."""

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION

from imagebeam.images.errors import UnsupportedPixels

_WHITE_IS_ZERO = 0

_TRANSPARENT = "transparency"
"""Pillow's name for the one grey or colour that stands for full transparency."""


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in RGB.

    Raises:
        UnsupportedPixels: its values have no agreed black and white.
    """
    if image.mode in ("I", "F", "LAB"):
        raise UnsupportedPixels(f"pixels of Pillow's mode {image.mode}")
    if image.mode.startswith("I;16"):
        return _upper_bits(image).convert("RGB")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(page, colours).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def scale_transparent(image: PngImageFile) -> None:
    """Bring a PNG's transparent grey or colour to the 8 bits that its pixels are brought to.

    Pillow leaves it in the bits that the file has. To be called before the pixels are loaded.
    """
    key = image.info.get(_TRANSPARENT)
    match image.tile[0].args if image.tile else None:
        case "L;2" if key is not None:
            image.info[_TRANSPARENT] = key * 0x55
        case "L;4" if key is not None:
            image.info[_TRANSPARENT] = key * 0x11
        case "RGB;16B" if key is not None:
            image.info[_TRANSPARENT] = tuple(value >> 8 for value in key)


def _upper_bits(image: Image.Image) -> Image.Image:
    """The upper 8 of a greyscale picture's 12 or 16 bits."""
    values = np.asarray(image).astype(np.uint16)
    fields = getattr(image, "tag_v2", {})
    (bits,) = fields.get(BITSPERSAMPLE, (16,))
    if fields.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO:
        values = (1 << bits) - 1 - values
    grey = (values >> (bits - 8)).astype(np.uint8)
    if (key := image.info.get(_TRANSPARENT)) is not None:
        grey[values == key] = 0xFF
    return Image.fromarray(grey)
