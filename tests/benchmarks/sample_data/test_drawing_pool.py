"""Test that a pool of pictures does not depend on the number of processes."""

from pathlib import Path

import numpy as np

from benchmarks.sample_data.drawings import CLASSES, draw_batch, draw_pool


def test_blocks_are_drawn_from_seeds_of_their_own(tmp_path: Path) -> None:
    pixels, labels = draw_pool(tmp_path / "pool.npy", 1_000, 24, seed=5)

    first, first_labels = draw_batch(np.random.default_rng([5, 0]), 960, 24)
    second, second_labels = draw_batch(np.random.default_rng([5, 960]), 40, 24)
    assert np.array_equal(pixels, np.concatenate([first, second]))
    assert np.array_equal(labels, np.concatenate([first_labels, second_labels]))


def test_every_class_is_there_and_pixels_cannot_be_changed(tmp_path: Path) -> None:
    pixels, labels = draw_pool(tmp_path / "pool.npy", 48, 24, seed=6)

    assert np.bincount(labels).tolist() == [2] * len(CLASSES)
    assert not pixels.flags.writeable
