"""Test folders of classes: the pictures in them, and refusals."""

from pathlib import Path

import pytest

from imagebeam.evaluation import labelled_images
from imagebeam.images.errors import InputError
from imagebeam.mobilenet_v1 import NetworkError
from imagebeam.mobilenet_v1.folders import LabelledPicture
from imagebeam.training.class_folders import read_folder
from tests.images.listing.test_folders import tree


def test_classes_and_pictures_are_sorted_and_folders_within_a_class_are_walked(
    tmp_path: Path,
) -> None:
    tree(tmp_path, "dog/2.jpg", "dog/1.jpg", "cat/b.png", "cat/2024/may/a.jpg", "cat/2024/c.jpg")
    tree(tmp_path, "cat/.hidden.jpg", ".git/a.jpg", "notes.txt", "cat/notes.txt", "dog/.x/3.jpg")
    folder = read_folder(tmp_path)
    assert folder.classes == ("cat", "dog")
    assert folder.samples == (
        LabelledPicture(tmp_path / "cat/2024/c.jpg", 0),
        LabelledPicture(tmp_path / "cat/2024/may/a.jpg", 0),
        LabelledPicture(tmp_path / "cat/b.png", 0),
        LabelledPicture(tmp_path / "dog/1.jpg", 1),
        LabelledPicture(tmp_path / "dog/2.jpg", 1),
    )


def test_training_and_evaluation_find_the_same_pictures(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.jpg", "a/b/2.jpg", "b/1.jpg", "b/a/1.jpg", "b/x.txt", "b/v.mp4")
    folder = read_folder(tmp_path)
    trained = {(str(each.path), folder.classes[each.label]) for each in folder.samples}
    assert trained == {(each.uri, each.label) for each in labelled_images.read(tmp_path)}
    assert len(trained) == 4


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="missing: not a folder"):
        read_folder(tmp_path / "missing")


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    tree(tmp_path, "cat/a.jpg", "cat/b.jpg")
    with pytest.raises(NetworkError, match=r"1 class folders\. Give a folder with at least two"):
        read_folder(tmp_path)


def test_a_picture_beside_the_classes_is_refused(tmp_path: Path) -> None:
    tree(tmp_path, "cat/a.jpg", "cat/b.jpg", "dog/a.jpg", "dog/b.jpg", "loose.jpg")
    with pytest.raises(InputError, match=r"loose\.jpg: is beside the folders of classes"):
        read_folder(tmp_path)


@pytest.mark.parametrize("count", [0, 1])
def test_a_class_with_too_few_pictures_is_refused(tmp_path: Path, count: int) -> None:
    tree(tmp_path, "cat/a.jpg", "cat/b.jpg", "dog/notes.txt")
    tree(tmp_path, *(f"dog/{index}.jpg" for index in range(count)))
    with pytest.raises(NetworkError, match=f"dog: {count} pictures. A class needs at least two"):
        read_folder(tmp_path)
