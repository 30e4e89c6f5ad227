"""Test that drawings are equal for an equal seed, balanced, of any size, and all different."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.sample_data.drawings import CLASSES, draw, draw_batch, draw_thing


def _rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_there_are_24_classes_in_alphabetical_order() -> None:
    assert len(CLASSES) == 24
    assert list(CLASSES) == sorted(set(CLASSES))


@pytest.mark.parametrize("class_index", range(len(CLASSES)), ids=CLASSES)
def test_an_equal_seed_draws_an_equal_picture_and_another_seed_another(class_index: int) -> None:
    first = draw(class_index, _rng(1), 64, 64)

    assert np.array_equal(first, draw(class_index, _rng(1), 64, 64))
    assert not np.array_equal(first, draw(class_index, _rng(2), 64, 64))


def test_a_batch_is_equal_for_an_equal_seed() -> None:
    pixels, labels = draw_batch(_rng(3), 30, 48)
    again, labels_again = draw_batch(_rng(3), 30, 48)

    assert np.array_equal(pixels, again)
    assert np.array_equal(labels, labels_again)


def test_a_batch_holds_every_class_equally_often_in_no_order() -> None:
    _, labels = draw_batch(_rng(4), 5 * len(CLASSES), 32)

    assert np.bincount(labels, minlength=len(CLASSES)).tolist() == [5] * len(CLASSES)
    assert labels.tolist() != sorted(labels.tolist())


@pytest.mark.parametrize(("height", "width"), [(128, 128), (96, 320), (320, 96), (33, 47)], ids=str)
def test_a_picture_has_the_requested_size_and_is_rgb_bytes(height: int, width: int) -> None:
    pixels = draw(0, _rng(5), height, width)

    assert pixels.shape == (height, width, 3)
    assert pixels.dtype == np.uint8


def test_a_batch_has_the_requested_shape() -> None:
    pixels, labels = draw_batch(_rng(6), 7, 40)

    assert pixels.shape == (7, 40, 40, 3)
    assert pixels.dtype == np.uint8
    assert labels.shape == (7,)
    assert labels.dtype == np.int64


def test_the_class_decides_what_is_drawn() -> None:
    pictures = {draw(index, _rng(7), 48, 48).tobytes() for index in range(len(CLASSES))}

    assert len(pictures) == len(CLASSES)


def test_pictures_use_the_range_of_brightness() -> None:
    pixels, _ = draw_batch(_rng(8), 240, 32)
    brightness = pixels.mean(axis=(1, 2, 3))

    assert brightness.min() < 60
    assert brightness.max() > 180


def test_without_grain_a_picture_is_smoother() -> None:
    rough = [_roughness(draw(i % 24, _rng(9, i), 64, 64)) for i in range(48)]
    plain = [_roughness(draw(i % 24, _rng(9, i), 64, 64, grain=0.0)) for i in range(48)]

    assert sum(plain) < sum(rough)


@pytest.mark.parametrize("class_index", range(len(CLASSES)), ids=CLASSES)
def test_a_square_crop_of_a_wide_picture_keeps_the_object(class_index: int) -> None:
    opaque = [
        np.asarray(draw_thing(class_index, _rng(10, number), 60, 180).getchannel("A")) > 0
        for number in range(20)
    ]
    kept = np.mean([thing[:, 60:120].sum() / thing.sum() for thing in opaque])

    assert kept > 0.99


def _roughness(pixels: NDArray[np.uint8]) -> float:
    return float(np.abs(np.diff(pixels.astype(int), axis=1)).mean())
