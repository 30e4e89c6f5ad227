"""Test what a job does with facts about a module: in its rows, its records and its identity."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from imagebeam.beam_pipeline import job_identity, job_module
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.modules.metadata import Metadata, append_to_flatbuffer
from imagebeam.modules.types import Module, ModuleInfo
from tests.beam_pipeline.colours import CLASSES, draw
from tests.beam_pipeline.jobs import imagebeam, predictions
from tests.modules.flatbuffers import echo


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draw(tmp_path / "photos" / "1.png", 255, 204, 0)
    draw(tmp_path / "photos" / "2.png", 51, 0, 0)
    return tmp_path / "photos"


def _module(path: Path, **facts: Any) -> Path:
    content = echo((1, 1, 1, 3), ((1, 3),), names=("tags",))
    path.write_bytes(append_to_flatbuffer(content, Metadata(**facts)) if facts else content)
    return path


def _provenance(output: Path) -> dict[str, Any]:
    part = next((output / "predictions").glob("*.parquet"))
    record: dict[str, Any] = json.loads(pq.read_schema(part).metadata[b"imagebeam"])
    return record


def test_independent_scores_are_listed_from_the_least_score(photos: Path, tmp_path: Path) -> None:
    module = _module(
        tmp_path / "module.tflite",
        value_range=(0.0, 1.0),
        classes=CLASSES,
        kinds={"tags": "scores"},
    )
    command = ("label", photos, "--output", tmp_path / "out", "--module", module, "--quiet")
    assert imagebeam(*command, "--min-score", 0.5) == 0
    first, second = predictions(tmp_path / "out")
    assert [each["label"] for each in first["top_k"]] == ["red", "green, verdant"]
    assert [each["score"] for each in first["top_k"]] == [1.0, pytest.approx(0.8)]
    assert (second["label"], second["score"]) == ("red", pytest.approx(0.2))
    assert second["top_k"] == []
    provenance = _provenance(tmp_path / "out")
    assert (provenance["scores"], provenance["min_score"]) == ("independent", 0.5)
    assert imagebeam(*command) == 2


def test_a_contradiction_is_recorded(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    facts = {"value_range": (0.0, 1.0), "classes": CLASSES}
    module = _module(tmp_path / "module.tflite", **facts)
    options = ("--module", module, "--input-range", -1, 1)
    assert imagebeam("label", photos, "--output", tmp_path / "out", *options) == 0
    expected = (
        "the stated input range -1 to 1 contradicts the module, whose range is 0 to 1 (stated). "
        "-1 to 1 is used."
    )
    assert expected in " ".join(capfd.readouterr().err.split())
    assert _provenance(tmp_path / "out")["warnings"] == [expected]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["warnings"] == [expected]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--module-output", "tag=scores"), "no output 'tag'. Its outputs are 'tags' [?, 3]"),
        (("--module-output", "tags=classes"), "'tags=classes' must be NAME=KIND"),
        (("--module-output", "tags=scores,tags=logits"), "'tags' comes twice"),
        (("--min-score", "2"), "--min-score 2: must be from 0 to 1."),
        (("--signature", "predict"), "no signature 'predict'"),
        (("--image-size", "big"), "--image-size big: not a size"),
        (("--image-size", "9"), "takes pictures of 1x1 only"),
    ],
)
def test_wrong_facts_are_refused(
    photos: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    module = _module(tmp_path / "module.tflite", value_range=(0.0, 1.0), classes=CLASSES)
    command = ("label", photos, "--output", tmp_path / "out", "--module", module)
    assert imagebeam(*command, *options) == 2
    assert message in " ".join(capfd.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_the_kind_of_an_output_belongs_to_the_identity(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    module = _module(tmp_path / "module.tflite", value_range=(0.0, 1.0), classes=CLASSES)
    command = ("label", photos, "--output", tmp_path / "out", "--module", module, "--quiet")
    assert imagebeam(*command) == 0
    assert imagebeam(*command, "--module-output", "tags=scores") == 2
    shown = " ".join(capfd.readouterr().err.split())
    assert "--module-output the default, now tags=scores" in shown
    again = ("--overwrite", "--module-output", "tags=features", "--emit", "features")
    assert imagebeam(*command, *again) == 0
    assert [row["features"] for row in predictions(tmp_path / "out")] == [
        pytest.approx([1, 0.8, 0]),
        pytest.approx([0.2, 0, 0]),
    ]


def test_doctor_refuses_answers_that_never_change(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    module = _module(tmp_path / "module.tflite", classes=CLASSES)
    assert imagebeam("doctor", "--module", module, "--input-range", 0, 1e-6) == 1
    shown = " ".join(capfd.readouterr().out.split())
    assert "failure module the module gives the same answer to very different pictures" in shown


def test_a_module_of_a_thousand_classes_is_offered_the_names_of_imagenet(tmp_path: Path) -> None:
    info = ModuleInfo((1, 1), (0.0, 1.0), frozenset({"scores"}), class_count=1000)
    module = Module("it", "sha256:", "litert", tmp_path, info, "", tmp_path)
    options = LabelOptions(inputs=(), output=tmp_path)
    [warning] = job_module.warnings(options, module)
    assert "--labels imagenet if they are the 1,000 classes of ImageNet" in warning
    assert job_module.warnings(replace(options, labels=Path("names.txt")), module) == []
    assert job_module.warnings(replace(options, emit=("logits",)), module) == []


def test_names_that_are_assumed_are_recorded(tmp_path: Path) -> None:
    names = tuple(map(str, range(1001)))
    info = ModuleInfo((1, 1), (0.0, 1.0), frozenset({"scores"}), 1001, class_names=names)
    module = Module("it", "sha256:", "litert", tmp_path, info, "", tmp_path)
    options = LabelOptions(inputs=(), output=tmp_path)
    assert "class_names" not in job_identity.provenance(options, module)
    assumed = replace(module, info=replace(info, names_assumed=True))
    assert job_identity.provenance(options, assumed)["class_names"] == "assumed: ImageNet"
