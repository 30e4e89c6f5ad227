"""Test `module train --freeze-network`; `test_module_build.py` trains whole networks."""

import csv
import json
from pathlib import Path

import pytest

from imagebeam.modules.open_module import open_module
from tests.beam_pipeline.colours import draw, write_module
from tests.beam_pipeline.jobs import imagebeam, predictions
from tests.modules.engines.test_onnx import write_classifier


@pytest.fixture
def features(tmp_path: Path) -> Path:
    """A module whose features are the colour of one pixel."""
    return write_module(tmp_path / "features.tflite", None)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twenty warm and twenty cold pictures."""
    folder = tmp_path / "pictures"
    for number in range(20):
        draw(folder / "warm" / f"{number:02}.png", 150 + 5 * number, 40, 30)
        draw(folder / "cold" / f"{number:02}.png", 20, 50, 150 + 5 * number)
    return folder


def _train(folder: Path, module: Path, pictures: Path, *options: object) -> int:
    return imagebeam(
        *("module", "train", pictures, "--output", folder / "new.tflite", "--freeze-network"),
        *("--from", module, *options),
    )


def test_a_new_head_labels(
    tmp_path: Path, features: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (pictures / "warm" / "broken.png").write_bytes(b"no picture")
    assert _train(tmp_path, features, pictures, "--held-out", 0.5) == 0
    printed = capfd.readouterr().out
    # Half of each class is held out, and the broken picture is among them. The interval of Wilson
    # for 19 of 19 begins at 19 / (19 + 1.96²).
    assert "19 of 19  100.0%    83.2% to 100.0%" in printed
    assert "1 pictures skipped" in printed
    new = tmp_path / "new.tflite"
    info = open_module(str(new)).info
    assert info.class_names == ("cold", "warm")
    assert info.provenance["pictures_learnt"] + info.provenance["pictures_held_out"] == 40
    draw(tmp_path / "archive" / "a.png", 203, 41, 31)
    draw(tmp_path / "archive" / "b.png", 22, 49, 202)
    labels = ("label", tmp_path / "archive", "--output", tmp_path / "labels", "--module", new)
    assert imagebeam(*labels) == 0
    rows = predictions(tmp_path / "labels")
    assert {Path(row["uri"]).name: row["label"] for row in rows} == {
        "a.png": "warm",
        "b.png": "cold",
    }


def test_mistakes_are_shown_and_listed(
    tmp_path: Path, features: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        draw(pictures / "cold" / f"wrong{number}.png", 220 + number, 45, 30)
    assert _train(tmp_path, features, pictures, "--held-out", 0.5) == 0
    lines = capfd.readouterr().out.splitlines()
    with (tmp_path / "new.tflite.training" / "mistakes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {row["label"] for row in rows} == {"cold"}
    assert {row["predicted"] for row in rows} == {"warm"}
    assert all(Path(row["image"]).name.startswith("wrong") for row in rows)
    assert f"{len(rows)} mistakes:" in lines
    matrix = [line.split() for line in lines]
    assert ["class", "cold", "warm"] in matrix
    assert ["cold", "10" if len(rows) == 2 else str(12 - len(rows)), str(len(rows))] in matrix


def test_evaluating_on_training_pictures_is_pointed_out(
    tmp_path: Path, features: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert _train(tmp_path, features, pictures, "--held-out", 0.25) == 0
    capfd.readouterr()
    command = ("module", "evaluate", tmp_path / "new.tflite", pictures)
    assert imagebeam(*command, "--json") == 0
    captured = capfd.readouterr()
    assert json.loads(captured.out)["training_images"] == 30
    assert "warning: 30 of these 40 images were used to train this module" in captured.err
    assert imagebeam(*command) == 0
    assert "used to train this module: 30 of them" in capfd.readouterr().out
    draw(tmp_path / "others" / "warm" / "a.png", 255, 60, 0)
    assert imagebeam("module", "evaluate", tmp_path / "new.tflite", tmp_path / "others") == 0
    captured = capfd.readouterr()
    assert "used to train" not in captured.out + captured.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "3"], "--epochs: has no effect with --freeze-network"),
        (["--no-flip"], "--no-flip: has no effect with --freeze-network"),
        (["--quantization", "int8"], "--quantization: has no effect with --freeze-network"),
        (["--output", "module"], "--freeze-network writes one flatbuffer"),
        (["--held-out", "1"], "held-out part 1.0: must lie between 0 and 1."),
    ],
)
def test_options_that_do_not_fit_a_frozen_network_are_refused(
    tmp_path: Path,
    features: Path,
    pictures: Path,
    capfd: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert _train(tmp_path, features, pictures, *options) == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "new.tflite").exists()


def test_a_module_without_features_is_refused(
    tmp_path: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    classifier = write_module(tmp_path / "classifier.tflite")
    assert _train(tmp_path, classifier, pictures) == 2
    assert f"{str(classifier)!r}: it provides no features" in capfd.readouterr().err


def test_an_onnx_file_gets_no_new_head(
    tmp_path: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert _train(tmp_path, write_classifier(tmp_path / "it.onnx"), pictures) == 2
    assert "an ONNX file, and a new head is written for LiteRT only." in capfd.readouterr().err


@pytest.mark.parametrize("name", ["it.tflite", "it.onnx"])
def test_a_file_without_weights_for_training_is_refused_with_the_other_way(
    tmp_path: Path, pictures: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    write = write_module if name == "it.tflite" else write_classifier
    source = write(tmp_path / name)
    command = ("module", "train", pictures, "--output", tmp_path / "new", "--from", source)
    assert imagebeam(*command) == 2
    message = capfd.readouterr().err
    assert "Give a SavedModel of MobileNet V1, or a slim checkpoint." in message
    assert ("add --freeze-network and a name" in message) == (name == "it.tflite")


def test_the_input_of_a_network_that_is_trained_cannot_be_stated(
    tmp_path: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ("module", "train", pictures, "--output", tmp_path / "m", "--input-range", 0, 255)
    assert imagebeam(*command) == 2
    assert "Add --freeze-network, or leave them out" in capfd.readouterr().err
