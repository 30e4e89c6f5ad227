"""Many drawn pictures at once, by all processors, in an array on disk."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagebeam.samples.drawings import draw_batch

_BLOCK = 960


def draw_pool(
    path: Path, count: int, size: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw square pictures of all classes, equally often but for a remainder.

    Args:
        path: `.npy` file to make; the pixels stay there and are read as they are needed.
        count: How many; each takes 3 size² bytes on disk.
        size: Side of the pictures in pixels.
        seed: Decides what is drawn, whatever the number of processors.

    Returns:
        Pixels uint8 (count, size, size, 3), RGB, read-only, and class indices int64 (count,).
    """
    np.lib.format.open_memmap(path, "w+", np.uint8, (count, size, size, 3)).flush()
    starts = range(0, count, _BLOCK)
    # TensorFlow may be running here already, and its threads do not survive a fork.
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as processes:
        blocks = [processes.submit(_draw_block, path, start, seed) for start in starts]
        labels = [block.result() for block in blocks]
    return np.load(path, mmap_mode="r"), np.concatenate(labels)


def _draw_block(path: Path, start: int, seed: int) -> NDArray[np.int64]:
    pixels = np.load(path, mmap_mode="r+")
    rows = pixels[start : start + _BLOCK]
    rows[...], labels = draw_batch(np.random.default_rng([seed, start]), len(rows), rows.shape[1])
    return labels
