"""Test folders of classes: the pictures in them, refusals, and the validation share."""

from pathlib import Path

import pytest

from imagebeam.mobilenet_v1 import NetworkError
from imagebeam.mobilenet_v1.folders import LabelledPicture, read_folder, split


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_classes_and_pictures_are_sorted_and_hidden_ones_left_out(tmp_path: Path) -> None:
    _touch(tmp_path, "dog/2.jpg", "dog/1.jpg", "cat/b", "cat/a", "cat/.hidden", ".git/a", "notes")
    (tmp_path / "dog" / "more").mkdir()
    folder = read_folder(tmp_path)
    assert folder.classes == ("cat", "dog")
    assert folder.samples == (
        LabelledPicture(tmp_path / "cat/a", 0),
        LabelledPicture(tmp_path / "cat/b", 0),
        LabelledPicture(tmp_path / "dog/1.jpg", 1),
        LabelledPicture(tmp_path / "dog/2.jpg", 1),
    )


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="missing: not a folder"):
        read_folder(tmp_path / "missing")


def test_single_class_is_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "cat/a", "cat/b", "loose.jpg")
    with pytest.raises(NetworkError, match=r"1 class folders\. Give a folder with at least two"):
        read_folder(tmp_path)


@pytest.mark.parametrize("count", [0, 1])
def test_class_with_too_few_pictures_is_refused(tmp_path: Path, count: int) -> None:
    _touch(tmp_path, "cat/a", "cat/b")
    (tmp_path / "dog").mkdir()
    _touch(tmp_path, *(f"dog/{index}" for index in range(count)))
    with pytest.raises(NetworkError, match=f"dog: {count} pictures. A class needs at least two"):
        read_folder(tmp_path)


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
