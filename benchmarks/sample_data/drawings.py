"""Draw pictures of everyday things from a seed: the material of the sample archive."""

import math
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.sample_data.pen import Pen, Style, rotation
from benchmarks.sample_data.scene import background, blur, cast_shadow, clutter, expose
from benchmarks.sample_data.things import creatures, household, plants, sky, vehicles

_ANY_WAY_UP = math.pi
_TILTED = 0.6
_UPRIGHT = 0.3

_DRAWERS: dict[str, tuple[Callable[[Pen], None], float]] = {
    "apple": (plants.apple, _TILTED),
    "balloon": (sky.balloon, _UPRIGHT),
    "bicycle": (vehicles.bicycle, _UPRIGHT),
    "boat": (vehicles.boat, _UPRIGHT),
    "butterfly": (creatures.butterfly, _ANY_WAY_UP),
    "cactus": (plants.cactus, _UPRIGHT),
    "car": (vehicles.car, _UPRIGHT),
    "cat": (creatures.cat, _UPRIGHT),
    "clock": (household.clock, _UPRIGHT),
    "cup": (household.cup, _UPRIGHT),
    "fish": (creatures.fish, _TILTED),
    "flower": (plants.flower, _TILTED),
    "house": (household.house, _UPRIGHT),
    "ice cream": (household.ice_cream, _TILTED),
    "key": (household.key, _ANY_WAY_UP),
    "leaf": (plants.leaf, _ANY_WAY_UP),
    "light bulb": (household.light_bulb, _TILTED),
    "mushroom": (plants.mushroom, _UPRIGHT),
    "rain cloud": (sky.rain_cloud, _UPRIGHT),
    "rocket": (sky.rocket, _TILTED),
    "snowman": (creatures.snowman, _UPRIGHT),
    "star": (sky.star, _ANY_WAY_UP),
    "tree": (plants.tree, _UPRIGHT),
    "umbrella": (household.umbrella, _TILTED),
}

CLASSES: tuple[str, ...] = tuple(_DRAWERS)

_OVERSAMPLING = 2
_BLOCK = 960


def draw(
    class_index: int, rng: np.random.Generator, height: int, width: int, grain: float = 14.0
) -> NDArray[np.uint8]:
    """Draw one thing of a class, different on every call.

    The thing lies in the central square, so that a square crop keeps it; place, size, tilt,
    proportions, colours, line style, background, clutter, light, blur and noise vary.

    Args:
        class_index: Index in `CLASSES`.
        rng: Source of randomness; an equal state draws an equal picture.
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        grain: Largest standard deviation of the noise, in grey levels of 255.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    thing = draw_thing(class_index, rng, height, width)
    picture = background(rng, height, width, unlike=_mean_colour(thing))
    clutter(rng, picture)
    if rng.random() < 0.4:
        cast_shadow(rng, picture, thing)
    picture.paste(thing, (0, 0), thing)
    if rng.random() < 0.35:
        picture = blur(rng, picture)
    return expose(rng, picture, grain)


def draw_thing(class_index: int, rng: np.random.Generator, height: int, width: int) -> Image.Image:
    """Draw only the thing: RGBA on a transparent background; arguments as for `draw`."""
    drawer, tilt = _DRAWERS[CLASSES[class_index]]
    canvas = Image.new("RGBA", (width * _OVERSAMPLING, height * _OVERSAMPLING))
    matrix, centre = _placement(rng, canvas.size, tilt)
    drawer(Pen(canvas, matrix, centre, _style(rng), rng))
    return canvas.reduce(_OVERSAMPLING)


def draw_batch(
    rng: np.random.Generator, count: int, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw square pictures in random order, equally many per class except for a remainder.

    Returns:
        Pixels uint8 (count, size, size, 3), RGB, and class indices int64 (count,).
    """
    labels = rng.permutation(np.arange(count) % len(CLASSES))
    pixels = np.empty((count, size, size, 3), np.uint8)
    for row, label in zip(pixels, labels, strict=True):
        row[...] = draw(int(label), rng, size, size)
    return pixels, labels


def draw_pool(
    path: Path, count: int, size: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw square pictures on all processors, equally many per class except for a remainder.

    Args:
        path: `.npy` file to make; the pixels stay there and are read on demand.
        count: Number of pictures; each takes 3 size² bytes on disk.
        size: Side of the pictures in pixels.
        seed: Determines the pictures, independent of the number of processors.

    Returns:
        Pixels uint8 (count, size, size, 3), RGB, read-only, and class indices int64 (count,).
    """
    np.lib.format.open_memmap(path, "w+", np.uint8, (count, size, size, 3)).flush()
    starts = range(0, count, _BLOCK)
    # TensorFlow may be loaded in this process, and its threads do not survive a fork.
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as processes:
        blocks = [processes.submit(_draw_block, path, start, seed) for start in starts]
        labels = [block.result() for block in blocks]
    return np.load(path, mmap_mode="r"), np.concatenate(labels)


def _placement(
    rng: np.random.Generator, canvas_size: tuple[int, int], tilt: float
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Draw the map from unit coordinates to the canvas, and the place of their origin on it."""
    half = min(canvas_size) / 2
    scale = rng.uniform(0.45, 0.82)
    stretch = np.exp(rng.uniform(-0.13, 0.13))
    shape = np.array([[stretch, rng.uniform(-0.12, 0.12)], [0.0, 1 / stretch]])
    if rng.random() < 0.5:
        shape[:, 0] *= -1
    matrix = rotation(rng.uniform(-tilt, tilt)) @ shape * (scale * half)
    slack = (0.95 - scale) * half
    x, y = rng.uniform(-slack, slack, 2)
    return matrix, (canvas_size[0] / 2 + x, canvas_size[1] / 2 + y)


def _style(rng: np.random.Generator) -> Style:
    """Draw a style: true colours, any colours or two tones, with or without an outline."""
    kind = rng.random()
    outline = rng.uniform(0.025, 0.06) if kind > 0.7 or rng.random() < 0.6 else 0.0
    if kind > 0.8:
        dark, light = rng.uniform(0, 90, 3), rng.uniform(150, 255, 3)
        if rng.random() < 0.25:
            dark, light = light, dark
        weights = np.array([0.299, 0.587, 0.114])
        matrix = np.outer((light - dark) / 255, weights)
        return Style(_rows(matrix, dark), _colour(dark * 0.8), outline)
    hue = rng.uniform(-0.25, 0.25) if kind < 0.6 else rng.uniform(-math.pi, math.pi)
    gain = rng.uniform(0.75, 1.1)
    ink = rng.uniform(0, 70, 3)
    return Style(_rows(_hue_rotation(hue) * gain, rng.uniform(-15, 15, 3)), _colour(ink), outline)


def _hue_rotation(turn: float) -> NDArray[np.float64]:
    """Return the matrix (3, 3) that rotates colours about the grey axis by `turn` (Rodrigues)."""
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return np.eye(3) * math.cos(turn) + cross * math.sin(turn) + (1 - math.cos(turn)) / 3


def _rows(
    matrix: NDArray[np.float64], constant: NDArray[np.float64]
) -> tuple[tuple[float, float, float, float], ...]:
    return tuple(
        (float(r), float(g), float(b), float(c))
        for (r, g, b), c in zip(matrix, constant, strict=True)
    )


def _colour(values: NDArray[np.float64]) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in np.clip(values, 0, 255))
    return red, green, blue


def _mean_colour(thing: Image.Image) -> NDArray[np.float64]:
    """Compute the mean colour (3,), 0..255, of the opaque pixels."""
    return np.asarray(thing.resize((1, 1), Image.Resampling.BOX))[0, 0, :3].astype(np.float64)


def _draw_block(path: Path, start: int, seed: int) -> NDArray[np.int64]:
    pixels = np.load(path, mmap_mode="r+")
    rows = pixels[start : start + _BLOCK]
    rows[...], labels = draw_batch(np.random.default_rng([seed, start]), len(rows), rows.shape[1])
    return labels
