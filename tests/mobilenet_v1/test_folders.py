"""Test the validation share of the pictures of classes."""

from pathlib import Path

import pytest

from imagebeam.mobilenet_v1 import NetworkError
from imagebeam.mobilenet_v1.folders import LabelledPicture, split

SAMPLES = [
    LabelledPicture(Path(f"{label}/{index}"), label) for label in range(3) for index in range(10)
]


def test_same_share_of_every_class_is_held_out() -> None:
    learnt, tested = split(SAMPLES, 0.3, seed=0)
    assert [sample.label for sample in tested] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert sorted([*learnt, *tested], key=SAMPLES.index) == SAMPLES


def test_seed_decides_which_pictures_are_held_out() -> None:
    assert split(SAMPLES, 0.3, seed=1) == split(SAMPLES, 0.3, seed=1)
    assert split(SAMPLES, 0.3, seed=1)[1] != split(SAMPLES, 0.3, seed=2)[1]


@pytest.mark.parametrize(("part", "counts"), [(0.01, [9, 1]), (0.99, [1, 9])])
def test_both_parts_hold_every_class(part: float, counts: list[int]) -> None:
    learnt, tested = split(SAMPLES[:10], part, seed=0)
    assert [len(learnt), len(tested)] == counts


@pytest.mark.parametrize("part", [0.0, 1.0, -1.0])
def test_share_out_of_range_is_refused(part: float) -> None:
    with pytest.raises(NetworkError, match=f"held-out part {part}: must lie between 0 and 1"):
        split(SAMPLES, part, seed=0)
