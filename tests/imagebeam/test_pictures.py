from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imagebeam import ImageError, Label, ModuleError, RankedClass, iter_labels, label_pictures
from imagebeam.errors import ArgumentError
from imagebeam.modules.metadata import Metadata, append_to_flatbuffer
from imagebeam.samples import ARCHIVE
from tests.beam_pipeline.colours import draw, write_module
from tests.beam_pipeline.jobs import imagebeam, predictions
from tests.modules.flatbuffers import echo


@pytest.fixture
def module(tmp_path: Path) -> str:
    return str(write_module(tmp_path / "module.tflite"))


def test_pictures_and_files_are_labelled_in_their_order(tmp_path: Path, module: str) -> None:
    opened = Image.new("RGB", (8, 8), (0, 0, 255))
    path = draw(tmp_path / "red.png", 255, 0, 0)
    found = label_pictures([opened, path, str(path)], module, top_k=1)
    assert [each.label for each in found] == ["blue", "red", "red"]
    # Of the logits (0, 0, 1): e / (e + 2).
    score = found[0].score
    assert round(score, 6) == 0.576117
    assert found[0] == Label("blue", score, (RankedClass(2, "blue", score),))


def test_the_picture_is_not_modified(module: str) -> None:
    opened = Image.new("P", (30, 20), 7)
    before = (opened.mode, opened.size, opened.tobytes())
    label_pictures([opened], module)
    assert (opened.mode, opened.size, opened.tobytes()) == before


def test_one_picture_has_one_label(tmp_path: Path, module: str) -> None:
    path = draw(tmp_path / "red.png", 255, 0, 0)
    pictures: list[Any] = [path, str(path), Image.open(path), np.array(Image.open(path))]
    for picture in pictures:
        assert label_pictures(picture, Path(module)).label == "red"


def test_arrays_are_accepted_as_pictures(module: str) -> None:
    stack = np.zeros((2, 5, 6, 3), np.uint8)
    stack[0, ..., 2] = stack[1, ..., 0] = 255
    assert [found.label for found in label_pictures(list(stack), module)] == ["blue", "red"]
    grey = np.full((5, 6), 9, np.uint8)
    assert label_pictures(grey, module).label == "red"
    for other in (stack[0] / 255, np.zeros((5, 6, 2), np.uint8), np.zeros(7, np.uint8)):
        with pytest.raises(ArgumentError, match="not a picture"):
            label_pictures([other], module)


def test_errors_name_their_picture_and_can_be_returned(tmp_path: Path, module: str) -> None:
    good = draw(tmp_path / "red.png", 255, 0, 0)
    (tmp_path / "text.jpg").write_text("text")
    names = [good, tmp_path / "text.jpg", tmp_path / "gone.jpg", good]
    first, second, third, last = label_pictures(names, module, errors="return")
    assert first.label == last.label == "red"
    assert (second.code, third.code) == ("unsupported_format", "not_found")
    assert str(second).startswith(f"{tmp_path / 'text.jpg'}: ")
    with pytest.raises(ImageError, match=r"text\.jpg: "):
        label_pictures(names, module)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top_k": 0}, "top_k=0: must be a whole number from 1"),
        ({"top_k": 2.5}, "top_k=2.5"),
        ({"resize": "fill"}, "resize='fill': must be one of crop, stretch"),
        ({"errors": "ignore"}, "errors='ignore': must be one of raise, return"),
        ({"emit": ["lables"]}, "emit='lables': must be one of labels, logits, features"),
    ],
)
def test_invalid_arguments_are_refused(
    module: str, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ArgumentError) as refused:
        label_pictures([], module, **arguments)  # type: ignore[call-overload]
    assert message in str(refused.value)


def test_labels_come_while_pictures_are_read(module: str) -> None:
    seen: list[int] = []

    def pictures() -> Iterator[Image.Image]:
        for number in range(70):
            seen.append(number)
            yield Image.new("RGB", (2, 2))

    done: list[int] = []
    labels = iter_labels(pictures(), module, progress=done.append)
    next(labels)
    assert (len(seen), done) == (32, [32])
    assert len(list(labels)) == 69
    assert done == [32, 64, 70]


def test_no_pictures_give_no_labels(module: str) -> None:
    assert label_pictures([], module) == []


def test_more_pictures_than_one_batch_are_labelled(module: str) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)] * 30
    opened = (Image.new("RGB", (2, 2), colour) for colour in colours)
    names = ["red", "green, verdant", "blue"] * 30
    assert [each.label for each in label_pictures(opened, module)] == names


def test_a_file_that_is_not_a_picture_is_an_error(tmp_path: Path, module: str) -> None:
    (tmp_path / "text.jpg").write_text("text")
    with pytest.raises(ImageError) as raised:
        label_pictures([tmp_path / "text.jpg"], module)
    assert raised.value.code == "unsupported_format"


def test_unusable_modules_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="/nowhere"):
        label_pictures([], "/nowhere")
    features = tmp_path / "features.tflite"
    metadata = Metadata(value_range=(0.0, 1.0), classes=None, outputs={"features": 0})
    features.write_bytes(append_to_flatbuffer(echo((1, 1, 1, 3), ((1, 3),)), metadata))
    with pytest.raises(ModuleError, match="does not provide labels"):
        label_pictures([], features)
    [found] = label_pictures([Image.new("RGB", (1, 1), (255, 0, 0))], features, emit="features")
    assert found.features is not None
    assert found.features.tolist() == [1.0, 0.0, 0.0]
    assert (found.label, found.logits) == ("", None)


@pytest.mark.slow
def test_the_labels_equal_the_rows_of_a_job(tmp_path: Path) -> None:
    assert imagebeam("label", ARCHIVE / "kitchen", "--output", tmp_path) == 0
    rows = predictions(tmp_path)
    found = label_pictures(row["uri"] for row in rows)
    assert [(each.label, each.score) for each in found] == [
        (row["label"], row["score"]) for row in rows
    ]
    assert [
        [{"class": of.class_index, "label": of.label, "score": of.score} for of in each.top_k]
        for each in found
    ] == [row["top_k"] for row in rows]
