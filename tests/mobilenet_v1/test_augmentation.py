"""Test views: the variations, their limits, and that draws can be repeated."""

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.mobilenet_v1.augmentation import Augmentation
from imagebeam.mobilenet_v1.network import rescale

SEED = tf.constant([3, 7], tf.int64)
NONE = Augmentation(smallest_area=1, aspect=1, flip=False, colour=0)
# Brightness grows to the right, so that a mirrored view can be recognised.
RAMP = np.tile(np.linspace(0, 250, 48).astype(np.uint8)[:, None], (64, 48, 1, 3))


def test_nothing_varies_by_default() -> None:
    np.testing.assert_allclose(NONE.view(RAMP, 48, SEED), rescale(RAMP), atol=1e-5)


def test_views_have_the_requested_size_and_stay_in_range() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 40, 60, 3)).astype(np.uint8)
    views = Augmentation(colour=0.5).view(noise, 32, SEED).numpy()
    assert views.shape == (16, 32, 32, 3)
    assert views.min() == -1
    assert views.max() == 1


@pytest.mark.parametrize("step", [0, 8])
def test_same_seed_draws_the_same_views(step: int) -> None:
    first = Augmentation().view(RAMP, 32, SEED)
    np.testing.assert_array_equal(Augmentation().view(RAMP, 32, SEED), first)
    other = Augmentation().view(RAMP, 32, tf.constant([3, step], tf.int64))
    assert np.abs(other - first).max() > 0.1


def test_about_half_of_the_views_are_mirrored() -> None:
    views = Augmentation(colour=0).view(RAMP, 32, SEED).numpy()
    mirrored = (views[:, 0, -1, 0] < views[:, 0, 0, 0]).sum()
    assert 16 <= mirrored <= 48
    upright = Augmentation(colour=0, flip=False).view(RAMP, 32, SEED).numpy()
    assert (upright[:, 0, -1, 0] > upright[:, 0, 0, 0]).all()


def test_views_show_at_least_the_smallest_area() -> None:
    views = Augmentation(smallest_area=0.25, aspect=1, flip=False, colour=0).view(RAMP, 32, SEED)
    shown = (views[:, 0, -1, 0] - views[:, 0, 0, 0]) / (250 * 2 / 255)
    assert 0.48 < float(tf.reduce_min(shown)) < 0.6
    assert 0.9 < float(tf.reduce_max(shown)) <= 1


def test_colours_vary_between_pictures_and_not_within_one() -> None:
    grey = np.full((8, 16, 16, 3), 128, np.uint8)
    views = Augmentation(colour=0.2).view(grey, 16, SEED).numpy()
    assert np.ptp(views, axis=(1, 2)).max() < 1e-5
    assert np.unique(views[:, 0, 0, 0]).size == 8
    assert np.abs(views).max() <= 0.2 + 1 / 255
