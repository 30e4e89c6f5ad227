import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebeam.beam_pipeline import job_module
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.modules.open_module import open_module
from imagebeam.samples import ARCHIVE
from tests.beam_pipeline.jobs import archive, errors, imagebeam, predictions
from tests.modules.handles.publisher import Publisher, serving
from tests.modules.handles.publisher import archive as packed

_NAME = "mobilenet_v1_050_160"
_PATH = "/mobilenet_v1_2018_08_02/mobilenet_v1_0.5_160_quant.tgz"
_FLATBUFFER = "mobilenet_v1_0.5_160_quant.tflite"


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    with serving() as server:
        monkeypatch.setenv("IMAGEBEAM_CATALOGUE", server.address)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.delenv("IMAGEBEAM_MODULE")
        yield server


@pytest.fixture
def real(publisher: Publisher, reference: Path) -> Publisher:
    publisher.files[_PATH] = packed({_FLATBUFFER: (reference / _FLATBUFFER).read_bytes()})
    return publisher


def test_the_list_marks_fetched_modules_and_the_default(
    real: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagebeam("module", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[6] == (f"{_NAME}    160   1,343,049      77  1.3 MB   57.2   80.5  default")
    assert imagebeam("module", "get", _NAME) == 0
    capsys.readouterr()
    assert imagebeam("module", "list", "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in entries if entry["fetched"]] == [_NAME]
    assert [entry["name"] for entry in entries if entry["default"]] == [_NAME]
    assert len(entries) == 16


def test_a_fetched_module_is_described(real: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    assert imagebeam("module", "get", _NAME) == 0
    shown = capsys.readouterr()
    assert "outputs     features, logits, scores; runs without TensorFlow" in shown.out
    assert f"imagebeam label INPUT --output DIR --module {_NAME}" in shown.out
    assert shown.err.startswith("imagebeam: fetching the module")


def test_an_unknown_name_is_refused(
    publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagebeam("module", "get", "mobilenet_v1_50_160") == 2
    assert "not in the catalogue. Did you mean mobilenet_v1_050_160" in capsys.readouterr().err


def test_the_small_module_needs_no_fetching(
    publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagebeam("module", "get", "demo") == 2
    assert capsys.readouterr().err == (
        "imagebeam: error: 'demo': not in the catalogue. It comes with the package: use it with "
        "--module demo.\n"
    )
    assert publisher.ranges == []


@pytest.mark.parametrize("command", ["label", "doctor"])
def test_without_network_the_job_does_not_start(
    publisher: Publisher, tmp_path: Path, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    archive(tmp_path / "in", 1)
    code = imagebeam(command, tmp_path / "in", "--output", tmp_path / "out")
    captured = capfd.readouterr()
    assert code == (2 if command == "label" else 1)
    assert f"'{_NAME}': cannot be fetched from {publisher.address}" in captured.out + captured.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_photos_are_labelled_by_the_default_module(
    real: Publisher, reference: Path, tmp_path: Path
) -> None:
    assert imagebeam("label", reference / "photos", "--output", tmp_path / "out") == 0
    assert errors(tmp_path / "out") == []
    found = {Path(row["uri"]).stem: row["label"] for row in predictions(tmp_path / "out")}
    assert found == {
        "bird": "chickadee",
        "cat": "Egyptian cat",
        "cat_720p": "Egyptian cat",
        "grace_hopper": "academic gown, academic robe, judge's robe",
        "hot_dog": "hotdog, hot dog, red hot",
        "parrot": "macaw",
        "sunflower": "daisy",
    }


def test_the_small_module_warns_about_photos() -> None:
    module = open_module("demo")
    theirs = LabelOptions(inputs=("photos",), output=Path("out"), module="demo")
    [warning] = job_module.warnings(theirs, module)
    assert warning.startswith("the module 'demo' knows only the 24 classes of the drawn")
    ours = LabelOptions(inputs=(str(ARCHIVE / "garden"),), output=Path("out"), module="demo")
    assert job_module.warnings(ours, module) == []
