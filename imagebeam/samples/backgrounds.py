"""Textures to draw on: gradients, stripes, checks, dots, planks, fractal noise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 512
_SEED = 20170417
_PER_KIND = 6
_TRIED_PAIRS = 3


def background(
    rng: np.random.Generator, height: int, width: int, unlike: NDArray[np.float64]
) -> Image.Image:
    """A textured RGB picture in two random colours that stand off from a third.

    Args:
        rng: Where all chance comes from.
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        unlike: The colour (3,), 0..255, of the thing to be seen in front.
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


def _colour_pair(rng: np.random.Generator) -> NDArray[np.float64]:
    """Two colours (2, 3) of any lightness, seldom garish."""
    greys = rng.uniform(25, 235, (2, 1))
    first, second = greys + rng.uniform(-1, 1, (2, 3)) * rng.uniform(0, 90)
    # Half of the textures are faint, as walls and tables are, and half as loud as wallpaper.
    depth = rng.choice((0.3, 1.0))
    return np.stack([first, first + depth * (second - first)])


@lru_cache(maxsize=1)
def _textures() -> tuple[Image.Image, ...]:
    """Grey pictures that every process makes alike, from a seed of their own."""
    rng = np.random.default_rng(_SEED)
    kinds = (_gradient, _stripes, _checks, _dots, _planks, _clouds, _clouds)
    fields = [kind(rng) for kind in kinds for _ in range(_PER_KIND)]
    return tuple(Image.fromarray(_to_bytes(field)) for field in fields)


def _to_bytes(field: NDArray[np.float64]) -> NDArray[np.uint8]:
    low, high = float(field.min()), float(field.max())
    return ((field - low) * (255 / (high - low))).astype(np.uint8)


def _waves(rng: np.random.Generator, periods: tuple[float, float]) -> NDArray[np.float64]:
    """A phase field (512, 512) that grows along a random direction by 2 pi a period."""
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
    """Fractal noise: white noise of doubling resolution and falling weight, summed."""
    weight = rng.uniform(0.45, 0.75)
    total = np.zeros((_SIDE, _SIDE))
    for octave in range(2, 9):
        cells = rng.random((2**octave, 2**octave), dtype=np.float32)
        layer = Image.fromarray(cells).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        total += np.asarray(layer) * weight**octave
    return total
