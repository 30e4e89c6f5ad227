from pathlib import Path

import pytest
from PIL import Image

from imagebeam import ImageError, Label, ModuleError, RankedClass, label_pictures
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


def test_a_picture_stays_as_it_was(module: str) -> None:
    opened = Image.new("P", (30, 20), 7)
    before = (opened.mode, opened.size, opened.tobytes())
    label_pictures([opened], module)
    assert (opened.mode, opened.size, opened.tobytes()) == before


def test_no_pictures_no_labels(module: str) -> None:
    assert label_pictures([], module) == []


def test_more_pictures_than_one_batch(module: str) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)] * 30
    opened = (Image.new("RGB", (2, 2), colour) for colour in colours)
    names = ["red", "green, verdant", "blue"] * 30
    assert [each.label for each in label_pictures(opened, module)] == names


def test_a_file_that_is_no_picture(tmp_path: Path, module: str) -> None:
    (tmp_path / "text.jpg").write_text("text")
    with pytest.raises(ImageError) as raised:
        label_pictures([tmp_path / "text.jpg"], module)
    assert raised.value.code == "unsupported_format"


def test_modules_that_do_not_serve(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="/nowhere"):
        label_pictures([], "/nowhere")
    features = tmp_path / "features.tflite"
    metadata = Metadata(classes=None, outputs={"features": 0})
    features.write_bytes(append_to_flatbuffer(echo((1, 1, 1, 3), ((1, 3),)), metadata))
    with pytest.raises(ModuleError, match="it has no classes"):
        label_pictures([], str(features))


@pytest.mark.slow
def test_the_rows_of_the_job_are_the_same(tmp_path: Path) -> None:
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
