"""Photos to measure on: real ones cut to the usual size, or drawn ones where there are none."""

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.sample_data import drawings

SIZE = (500, 375)
"""(width, height): the median of ImageNet's photos."""

_FOLDERS = 20


def make_photos(folder: Path, count: int, originals: Path | None) -> None:
    """Write `count` different JPEGs of about 100 KB, cut from original photos or drawn."""
    rng = np.random.default_rng(1)
    pictures = _cuts(originals, rng) if originals else _drawings(rng)
    for index, picture in enumerate(islice(pictures, count)):
        place = folder / f"{index % _FOLDERS:02d}"
        place.mkdir(parents=True, exist_ok=True)
        picture.save(place / f"{index:06d}.jpg", quality=95)


def _cuts(originals: Path, rng: np.random.Generator) -> Iterator[Image.Image]:
    photos = [Image.open(path).convert("RGB") for path in sorted(originals.iterdir())]
    for photo in cycle(photos):
        share = rng.uniform(0.8, 1.0)
        width, height = share * photo.width, share * photo.height
        left, upper = rng.uniform(0, photo.width - width), rng.uniform(0, photo.height - height)
        box = (left, upper, left + width, upper + height)
        yield photo.resize(SIZE, Image.Resampling.BICUBIC, box=box)


def _drawings(rng: np.random.Generator) -> Iterator[Image.Image]:
    drawn = [
        drawings.draw(index % len(drawings.CLASSES), rng, SIZE[1], SIZE[0])
        for index in range(_DRAWN)
    ]
    for pixels in cycle(drawn):
        yield Image.fromarray(np.roll(pixels, int(rng.integers(SIZE[0])), axis=1))


_DRAWN = 120
