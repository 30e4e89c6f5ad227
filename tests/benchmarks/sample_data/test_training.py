"""Test the training of the embedded module on a small scale."""

import json
from pathlib import Path

import pytest

from benchmarks.sample_data import training
from benchmarks.sample_data.drawings import CLASSES


@pytest.mark.slow
def test_a_short_training_learns_and_states_its_accuracy(tmp_path: Path) -> None:
    from imagebeam.modules.tensorflow.subprocess import run_task

    def compiler(saved_model: Path, flatbuffer: Path) -> None:
        run_task("compile", path=str(saved_model), output=str(flatbuffer))

    recipe = training.Recipe(pictures=4_800, steps=240, batch_size=64)
    accuracies = training.build_module(tmp_path / "module", compiler, recipe)

    extras = tmp_path / "module" / "assets.extra"
    metadata = json.loads((extras / "module.json").read_text(encoding="utf-8"))
    assert metadata["classes"] == list(CLASSES)
    assert {
        form: metadata["provenance"][f"accuracy_{form}"] for form in accuracies
    } == pytest.approx(accuracies, abs=5e-5)
    assert all(accuracy > 3 / len(CLASSES) for accuracy in accuracies.values())
    assert (extras / "module.tflite").stat().st_size < 400_000
    assert [path.name for path in tmp_path.iterdir()] == ["module"]
