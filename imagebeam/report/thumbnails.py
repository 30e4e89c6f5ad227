"""Makes small copies of images that can still be read, decoded in isolated processes."""

import base64
import io
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from imagebeam import resources
from imagebeam.images import uris
from imagebeam.images.decode import DecodedImage
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.listing import locate
from imagebeam.images.reading.decoding_process import DecodeLimits
from imagebeam.images.reading.reader import ImageReader
from imagebeam.images.settings import Preprocessing
from imagebeam.report.data import Original

_DECODED = 320
"""Side of the square that the whole picture is scaled to first, in pixels."""

_LONGER_SIDE = 220
_QUALITY = 70
_CHUNK = 32

_IMAGE_LIMITS = DecodeLimits(seconds=10.0)
_FINDING_SECONDS = 30.0
"""Time to find members of archives."""

_MOST_SECONDS = 60.0
_MOST_BYTES = 12_000_000
"""Limit for all thumbnails together, so that the page opens quickly, also from a slow disk."""


@dataclass(frozen=True)
class Thumbnails:
    """Thumbnails of the images that were tried.

    Attributes:
        originals: of the images that could be read, by URI.
        unreadable: number of images that could not be read.
        stopped: why not all images were tried; empty where all were.
    """

    originals: Mapping[str, Original] = field(default_factory=dict)
    unreadable: int = 0
    stopped: str = ""


def make(
    names: Sequence[str],
    most: int,
    max_seconds: float = _MOST_SECONDS,
    max_bytes: int = _MOST_BYTES,
) -> Thumbnails:
    """Read the first images of a list until there are enough thumbnails.

    Args:
        names: URIs, the most important first.
        most: thumbnails to make; one that cannot be made counts too.
        max_seconds: no more are begun after this time.
        max_bytes: no more are begun once all together are larger.
    """
    names = names[:most]
    if not names:
        return Thumbnails()
    originals: dict[str, Original] = {}
    unreadable, size = 0, 0
    start = time.monotonic()
    wanted = locate.locate(names, _FINDING_SECONDS)
    preprocessing = Preprocessing((_DECODED, _DECODED), "stretch")
    reader = ImageReader(preprocessing, resources.available().decode_processes(), _IMAGE_LIMITS)
    with closing(reader):
        for first in range(0, len(names), _CHUNK):
            if time.monotonic() - start > max_seconds:
                return Thumbnails(originals, unreadable, f"after {max_seconds:g} s")
            if size > max_bytes:
                return Thumbnails(originals, unreadable, f"after {size / 1e6:,.0f} MB")
            chunk, places = names[first : first + _CHUNK], wanted[first : first + _CHUNK]
            outcomes = reader.read(places).outcomes
            for name, place, outcome in zip(chunk, places, outcomes, strict=True):
                if isinstance(outcome, ImageError):
                    unreadable += 1
                else:
                    thumbnail = _encoded(outcome)
                    size += len(thumbnail)
                    originals[name] = Original(thumbnail, _link(name, place))
    return Thumbnails(originals, unreadable)


def _encoded(image: DecodedImage) -> str:
    """Return a `data:` URI of the picture in its own proportions."""
    scale = min(_LONGER_SIDE / max(image.width, image.height), 1)
    shown = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    buffer = io.BytesIO()
    Image.fromarray(image.pixels).resize(shown, Image.Resampling.LANCZOS).save(
        buffer, "WEBP", quality=_QUALITY
    )
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _link(name: str, location: ImageLocation) -> str:
    """Return the address under which a browser finds the image itself; empty if there is none."""
    if location.container is not None:
        return ""
    if (scheme := uris.scheme(name)) != "file":
        return name if scheme in ("http", "https") else ""
    path = Path(uris.to_path(name))
    return path.as_uri() if path.is_absolute() else ""
