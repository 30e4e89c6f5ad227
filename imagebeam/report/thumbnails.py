"""Make small copies of images that can still be read, decoded in isolated processes."""

import base64
import io
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from PIL import Image

from imagebeam import resources
from imagebeam.images.decoded_image import DecodedImage
from imagebeam.images.errors import ImageError
from imagebeam.images.listing import locate
from imagebeam.images.reading.reader import ImageReader
from imagebeam.images.settings import DecodeLimits, Preprocessing

_DECODED = 320
"""Side of the square that the whole picture is scaled to first, in pixels."""

_LONGER_SIDE = 220
_QUALITY = 70
_CHUNK = 32

_IMAGE_LIMITS = DecodeLimits(seconds=10.0)
_FINDING_SECONDS = 30.0
"""Time to find members of archives."""

MOST_SECONDS = 30.0
MOST_BYTES = 8_000_000
"""Limit for all thumbnails together, so that the page opens quickly, also from a slow disk."""


@dataclass(frozen=True)
class Thumbnails:
    """Thumbnails of the images that were tried.

    Attributes:
        encoded: `data:` URIs of the images that could be read, by their URI.
        unreadable: number of images that could not be read, by error code.
        stopped: why not all images were tried; empty where all were.
    """

    encoded: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)
    stopped: str = ""


def make(
    names: Sequence[str],
    most: int | None = None,
    max_seconds: float = MOST_SECONDS,
    max_bytes: int = MOST_BYTES,
) -> Thumbnails:
    """Read the first images of a list until there are enough thumbnails.

    Args:
        names: URIs, the most important first.
        most: thumbnails to make; one that cannot be made counts too. None is no limit.
        max_seconds: no more are begun after this time.
        max_bytes: no more are begun once all together are larger.
    """
    names = names[:most]
    if not names:
        return Thumbnails()
    encoded: dict[str, str] = {}
    unreadable: Counter[str] = Counter()
    size = 0
    start = time.monotonic()
    wanted = locate.locate(names, _FINDING_SECONDS)
    with closing(thumbnail_reader()) as reader:
        for first in range(0, len(names), _CHUNK):
            if time.monotonic() - start > max_seconds:
                return Thumbnails(encoded, unreadable, f"after {max_seconds:g} s")
            if size > max_bytes:
                return Thumbnails(encoded, unreadable, f"after {size / 1e6:,.0f} MB")
            chunk, places = names[first : first + _CHUNK], wanted[first : first + _CHUNK]
            for name, outcome in zip(chunk, reader.read(places).outcomes, strict=True):
                if isinstance(outcome, ImageError):
                    unreadable[outcome.code] += 1
                else:
                    picture = base64.b64encode(webp(outcome)).decode()
                    encoded[name] = f"data:image/webp;base64,{picture}"
                    size += len(encoded[name])
    return Thumbnails(encoded, unreadable)


def thumbnail_reader() -> ImageReader:
    """Return a reader whose pictures `webp` makes small copies of."""
    preprocessing = Preprocessing((_DECODED, _DECODED), "stretch")
    return ImageReader(preprocessing, resources.available().decode_processes(), _IMAGE_LIMITS)


def webp(image: DecodedImage) -> bytes:
    """Return a small copy of the picture in its own proportions, encoded as WebP."""
    scale = min(_LONGER_SIDE / max(image.width, image.height), 1)
    shown = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    buffer = io.BytesIO()
    Image.fromarray(image.pixels).resize(shown, Image.Resampling.LANCZOS).save(
        buffer, "WEBP", quality=_QUALITY
    )
    return buffer.getvalue()
