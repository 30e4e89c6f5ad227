"""Test decoded pictures and their order in batches."""

from pathlib import Path

import numpy as np
import pytest

from imagebeam.mobilenet_v1 import NetworkError
from imagebeam.mobilenet_v1.pictures import DecodedPictures, decode_all
from imagebeam.training.class_folders import read_folder
from tests.mobilenet_v1 import shapes

# Ten pictures of one pixel with different colours.
PICTURES = DecodedPictures(
    np.arange(10, dtype=np.uint8).repeat(3).reshape(10, 1, 1, 3), np.arange(10) % 2
)


def _shown(seed: int, first: int, count: int) -> list[list[int]]:
    batches = PICTURES.batches(3, seed)(first).take(count)
    return [pixels[:, 0, 0, 0].tolist() for pixels, _ in batches.as_numpy_iterator()]


def test_an_epoch_shows_nothing_twice() -> None:
    assert PICTURES.steps_per_epoch(3) == 3
    for epoch in (_shown(0, 0, 3), _shown(0, 3, 3)):
        assert len({each for batch in epoch for each in batch}) == 9
    assert _shown(0, 0, 3) != _shown(0, 3, 3)


def test_a_resumed_run_shows_the_same_pictures_as_an_uninterrupted_one() -> None:
    assert _shown(5, 4, 6) == _shown(5, 0, 10)[4:]


def test_seed_decides_the_order() -> None:
    assert _shown(1, 0, 3) == _shown(1, 0, 3)
    assert _shown(1, 0, 3) != _shown(2, 0, 3)


def test_pictures_keep_their_classes() -> None:
    for pixels, classes in PICTURES.batches(4, 0)(0).take(5).as_numpy_iterator():
        assert (pixels[:, 0, 0, 0] % 2).tolist() == classes.tolist()


def test_batch_is_never_larger_than_the_pictures() -> None:
    pixels, classes = next(iter(PICTURES.batches(64, 0)(0)))
    assert pixels.shape == (10, 1, 1, 3)
    assert classes.shape == (10,)


def test_in_order_shows_every_picture_once() -> None:
    batches = PICTURES.in_order(4)
    assert [len(classes) for _, classes in batches] == [4, 4, 2]
    np.testing.assert_array_equal(
        np.concatenate([pixels for pixels, _ in batches]), PICTURES.pixels
    )


def test_decoding_skips_and_counts_files_that_are_not_pictures(tmp_path: Path) -> None:
    shapes.write_folders(tmp_path / "images", 3)
    bad = tmp_path / "images/disc/001.png"
    bad.write_bytes(b"no picture")
    samples = read_folder(tmp_path / "images").samples
    pictures = decode_all(samples, shapes.decode, 16, tmp_path)
    assert pictures.pixels.shape == (8, 16, 16, 3)
    assert pictures.classes.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert [line.partition(": ")[0] for line in pictures.skipped] == [str(bad)]
    kept = [sample.path.read_bytes() for sample in samples if sample.path != bad]
    expected = [shapes.decode(data, 16) for data in kept]
    np.testing.assert_array_equal(pictures.pixels, np.stack(expected))
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_class_without_a_decodable_picture_is_refused(tmp_path: Path) -> None:
    shapes.write_folders(tmp_path, 2)
    for path in (tmp_path / "rings").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(NetworkError, match="rings: too few of its pictures can be decoded"):
        decode_all(read_folder(tmp_path).samples, shapes.decode, 16, tmp_path)
