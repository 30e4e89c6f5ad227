"""The encodings of the sample archive: file formats and their unusual variants."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

_EXIF_ORIENTATION = 0x0112
# The transformation of the upright picture by a camera in this position (Exif 2.32, Orientation).
_STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class Encoding:
    """One way to write an RGB picture.

    Attributes:
        suffix: Suffix of the file name.
        form: Name of the format in Pillow.
        options: Options of Pillow's writer.
        size: Height and width in pixels, for formats that are too large for larger pictures.
        convert: Makes the image to write from the RGB image.
    """

    suffix: str
    form: str
    options: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    convert: Callable[[Image.Image], Image.Image] = lambda picture: picture

    def encode(self, picture: Image.Image) -> bytes:
        """Encode `picture` as the bytes of a file."""
        file = io.BytesIO()
        self.convert(picture).save(file, self.form, **self.options)
        return file.getvalue()


def _jpeg(suffix: str = ".jpg", **options: Any) -> Encoding:
    return Encoding(suffix, "JPEG", {"quality": 75, "optimize": True, **options})


def _turned(orientation: int) -> Encoding:
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = orientation
    return Encoding(
        ".jpg",
        "JPEG",
        {"quality": 75, "exif": exif.tobytes()},
        convert=lambda picture: picture.transpose(_STORED_AS[orientation]),
    )


def _in_mode(mode: str, suffix: str, form: str, size: tuple[int, int] | None = None) -> Encoding:
    return Encoding(suffix, form, size=size, convert=lambda picture: picture.convert(mode))


def _few_colours(picture: Image.Image) -> Image.Image:
    return picture.quantize(24, dither=Image.Dither.NONE)


def _sixteen_bits(picture: Image.Image) -> Image.Image:
    grey = np.asarray(picture.convert("L"), dtype=np.uint16)
    return Image.fromarray(grey * np.uint16(257))


def _faded_border(picture: Image.Image) -> Image.Image:
    """Make the border of the picture half transparent."""
    alpha = Image.new("L", picture.size, 128)
    border = min(picture.size) // 10
    alpha.paste(255, (border, border, picture.width - border, picture.height - border))
    picture.putalpha(alpha)
    return picture


_SMALL = (96, 128)
_PALETTE_PNG = Encoding(".png", "PNG", {"optimize": True}, (150, 200), _few_colours)
_WEBP = Encoding(".webp", "WEBP", {"quality": 70, "method": 6})

SPECIAL: tuple[Encoding, ...] = (
    *(_turned(orientation) for orientation in _STORED_AS),
    _in_mode("CMYK", ".jpg", "JPEG"),
    _in_mode("L", ".jpg", "JPEG"),
    _jpeg(".jpeg", progressive=True),
    _jpeg(".JPG"),
    Encoding(".png", "PNG", {"optimize": True}, _SMALL, _sixteen_bits),
    Encoding(".png", "PNG", {"optimize": True}, _SMALL, _faded_border),
    Encoding(".png", "PNG", {"optimize": True}, _SMALL),
    Encoding(".gif", "GIF", size=_SMALL),
    _in_mode("RGB", ".bmp", "BMP", _SMALL),
    Encoding(".tiff", "TIFF", {"compression": "tiff_lzw"}, _SMALL),
    Encoding(".tif", "TIFF", {"compression": "tiff_deflate"}, _SMALL, _few_colours),
)

# In this order: two thirds JPEG, a quarter WebP, the rest PNG.
BULK: tuple[Encoding, ...] = (
    *(_jpeg(), _jpeg(), _WEBP, _jpeg()),
    *(_jpeg(), _WEBP, _jpeg(), _jpeg()),
    *(_jpeg(), _PALETTE_PNG, _WEBP, _jpeg()),
)
