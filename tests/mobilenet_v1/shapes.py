"""Three kinds of drawn picture that a small network learns to distinguish within a minute."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from imagebeam.mobilenet_v1.errors import PictureError
from imagebeam.mobilenet_v1.pictures import DecodedPictures

CLASSES = ("bars", "disc", "rings")
SIDE = 40


def draw(label: int, rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """Draw a shape of class `label` with random colours and position, uint8 (side, side, 3)."""
    dark, light = rng.integers(0, 90, 3), rng.integers(150, 256, 3)
    image = Image.new("RGB", (side, side), tuple(dark))
    pen = ImageDraw.Draw(image)
    x, y = rng.uniform(0.35, 0.65, 2) * side
    radius = rng.uniform(0.2, 0.3) * side
    if label == 0:
        for place in np.arange(y - radius, y + radius, 6):
            pen.line([(x - radius, place), (x + radius, place)], tuple(light), width=2)
    else:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), tuple(light))
    if label == 2:
        for inner, colour in ((0.75, dark), (0.45, light)):
            reach = inner * radius
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), tuple(colour))
    return np.asarray(image)


def drawn(count: int, seed: int, side: int = SIDE) -> DecodedPictures:
    """Draw `count` pictures with alternating classes."""
    rng = np.random.default_rng(seed)
    classes = np.arange(count) % len(CLASSES)
    return DecodedPictures(np.stack([draw(int(label), rng, side) for label in classes]), classes)


def write_folders(root: Path, count: int, seed: int = 0) -> None:
    """Write `count` pictures of every class as PNG, into one folder per class."""
    rng = np.random.default_rng(seed)
    for label, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(draw(label, rng)).save(root / name / f"{index:03}.png")


def decode(data: bytes, side: int) -> np.ndarray:
    """Return a decoder for training on the output of `write_folders`."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BOX))
    except OSError as error:
        raise PictureError(str(error)) from error
