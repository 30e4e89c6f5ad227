"""Everything around the thing in a picture: background, clutter, shadow, light, camera faults."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

_SIDE = 512
_SEED = 20170417
_PER_KIND = 6
_TRIED_PAIRS = 3


def background(
    rng: np.random.Generator, height: int, width: int, unlike: NDArray[np.float64]
) -> Image.Image:
    """Make a textured RGB picture in two random colours that differ from a third.

    Args:
        rng: Source of randomness.
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        unlike: The colour (3,), 0..255, of the thing in front.
    """
    textures = _textures()
    texture = textures[int(rng.integers(len(textures)))]
    zoom = rng.uniform(0.3, 0.95) * _SIDE / max(height, width)
    wide, high = width * zoom, height * zoom
    left, top = rng.uniform(0, _SIDE - wide), rng.uniform(0, _SIDE - high)
    shades = texture.resize(
        (width, height), Image.Resampling.BILINEAR, box=(left, top, left + wide, top + high)
    )
    pairs = [_colour_pair(rng) for _ in range(_TRIED_PAIRS)]
    ramp = max(pairs, key=lambda pair: float(np.abs(pair - unlike).sum(axis=1).min()))
    colours = np.clip(np.linspace(ramp[0], ramp[1], 256), 0, 255).astype(np.uint8)
    return Image.fromarray(colours[np.asarray(shades)])


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
    """Darken the picture beside and below the place of the thing."""
    shift = min(picture.size) * rng.uniform(0.01, 0.05)
    alpha = thing.getchannel("A").filter(ImageFilter.BoxBlur(shift * 0.6))
    strength = rng.uniform(0.25, 0.6)
    shade = alpha.point([int(value * strength) for value in range(256)])
    offset = (round(shift * rng.choice((-1, 1))), round(shift))
    picture.paste((10, 10, 15), (*offset, offset[0] + shade.width, offset[1] + shade.height), shade)


def blur(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Put the picture slightly out of focus."""
    radius = rng.uniform(0.2, 1.1) * min(picture.size) / 128
    return picture.filter(ImageFilter.BoxBlur(radius))


def expose(rng: np.random.Generator, picture: Image.Image, grain: float) -> NDArray[np.uint8]:
    """Imitate a camera: uneven light, white balance, sensor noise.

    Args:
        rng: Source of randomness.
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


def _colour_pair(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw two colours (2, 3) of any lightness, rarely saturated."""
    greys = rng.uniform(25, 235, (2, 1))
    first, second = greys + rng.uniform(-1, 1, (2, 3)) * rng.uniform(0, 90)
    # Half of the textures are faint, like walls and tables, and half are strong, like wallpaper.
    depth = rng.choice((0.3, 1.0))
    return np.stack([first, first + depth * (second - first)])


@lru_cache(maxsize=1)
def _textures() -> tuple[Image.Image, ...]:
    """Make grey pictures from a fixed seed, the same in every process."""
    rng = np.random.default_rng(_SEED)
    kinds = (_gradient, _stripes, _checks, _dots, _planks, _clouds, _clouds)
    fields = [kind(rng) for kind in kinds for _ in range(_PER_KIND)]
    return tuple(Image.fromarray(_to_bytes(field)) for field in fields)


def _to_bytes(field: NDArray[np.float64]) -> NDArray[np.uint8]:
    low, high = float(field.min()), float(field.max())
    return ((field - low) * (255 / (high - low))).astype(np.uint8)


def _waves(rng: np.random.Generator, periods: tuple[float, float]) -> NDArray[np.float64]:
    """Make a phase field (512, 512) that grows along a random direction by 2 pi per period."""
    turn, period = rng.uniform(0, np.pi), rng.uniform(*periods)
    y, x = np.mgrid[0:_SIDE, 0:_SIDE]
    phase: NDArray[np.float64] = (x * np.cos(turn) + y * np.sin(turn)) * (2 * np.pi / period)
    return phase


def _gradient(rng: np.random.Generator) -> NDArray[np.float64]:
    return _waves(rng, (900, 1600))


def _stripes(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.tanh(np.sin(_waves(rng, (25, 110))) * rng.uniform(1, 8))


def _checks(rng: np.random.Generator) -> NDArray[np.float64]:
    sharp, period = rng.uniform(2, 8), rng.uniform(40, 130)
    phase = _waves(rng, (period, period + 1))
    return np.tanh(np.sin(phase) * np.sin(np.rot90(phase)) * sharp)


def _dots(rng: np.random.Generator) -> NDArray[np.float64]:
    period = rng.uniform(30, 80)
    phase = _waves(rng, (period, period + 1))
    return np.tanh((np.cos(phase) + np.cos(np.rot90(phase)) - rng.uniform(0.6, 1.3)) * 5)


def _planks(rng: np.random.Generator) -> NDArray[np.float64]:
    grain = np.asarray(Image.fromarray(_to_bytes(_clouds(rng))).resize((_SIDE * 8, _SIDE)))
    bands = np.repeat(rng.uniform(0, 160, 16), _SIDE // 16)[:, None]
    boards = grain[:, :_SIDE] * 0.8 + bands
    return boards.T if rng.random() < 0.5 else boards


def _clouds(rng: np.random.Generator) -> NDArray[np.float64]:
    """Make fractal noise: the sum of white noise of doubling resolution and falling weight."""
    weight = rng.uniform(0.45, 0.75)
    total = np.zeros((_SIDE, _SIDE))
    for octave in range(2, 9):
        cells = rng.random((2**octave, 2**octave), dtype=np.float32)
        layer = Image.fromarray(cells).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        total += np.asarray(layer) * weight**octave
    return total
