"""What surrounds a thing in its picture: clutter, its shadow, light and the camera's faults."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter


def clutter(rng: np.random.Generator, picture: Image.Image) -> None:
    """Scatter a few bars, scraps and scribbles that belong to no class."""
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    reach = min(width, height) * 0.16
    for _ in range(int(rng.integers(0, 6))):
        centre = rng.uniform(0, 1, 2) * (width, height)
        corners = centre + rng.uniform(-reach, reach, (int(rng.integers(3, 6)), 2))
        colour = tuple(rng.integers(0, 256, 3).tolist())
        if rng.random() < 0.5:
            pen.polygon(corners.ravel().tolist(), fill=colour)
        else:
            pen.line(
                corners.ravel().tolist(), fill=colour, width=1 + int(reach * rng.uniform(0, 0.2))
            )


def cast_shadow(rng: np.random.Generator, picture: Image.Image, thing: Image.Image) -> None:
    """Darken the picture beside and below where the thing will be pasted."""
    shift = min(picture.size) * rng.uniform(0.01, 0.05)
    alpha = thing.getchannel("A").filter(ImageFilter.BoxBlur(shift * 0.6))
    strength = rng.uniform(0.25, 0.6)
    shade = alpha.point([int(value * strength) for value in range(256)])
    offset = (round(shift * rng.choice((-1, 1))), round(shift))
    picture.paste((10, 10, 15), (*offset, offset[0] + shade.width, offset[1] + shade.height), shade)


def blur(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """The picture slightly out of focus."""
    radius = rng.uniform(0.2, 1.1) * min(picture.size) / 128
    return picture.filter(ImageFilter.BoxBlur(radius))


def expose(rng: np.random.Generator, picture: Image.Image, grain: float) -> NDArray[np.uint8]:
    """The picture as a camera takes it: uneven light, white balance, sensor noise.

    Args:
        rng: Where all chance comes from.
        picture: RGB.
        grain: Largest standard deviation of the noise, in grey levels of 255.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    pixels = np.asarray(picture, dtype=np.float32)
    height, width, _ = pixels.shape
    across, down = rng.uniform(-0.3, 0.3, 2)
    light = rng.uniform(0.7, 1.15) + np.add.outer(
        np.linspace(-down, down, height, dtype=np.float32),
        np.linspace(-across, across, width, dtype=np.float32),
    )
    balance = rng.uniform(0.9, 1.1, 3).astype(np.float32)
    pixels = pixels * light.astype(np.float32)[:, :, None] * balance
    sigma = np.float32(rng.uniform(0, grain) if rng.random() < 0.6 else 0)
    if sigma:
        pixels += rng.standard_normal(pixels.shape, dtype=np.float32) * sigma
    return np.clip(pixels, 0, 255).astype(np.uint8)
