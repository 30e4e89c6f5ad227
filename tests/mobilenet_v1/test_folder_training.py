"""Test that the folder of a run belongs to one run."""

from pathlib import Path

import pytest

from imagebeam.mobilenet_v1 import NetworkError
from imagebeam.mobilenet_v1.folder_training import claim

SETTINGS = {"width": 0.5, "classes": ("cat", "dog"), "from": None}


def test_training_resumes_with_the_same_settings(tmp_path: Path) -> None:
    state = tmp_path / "a" / "run"
    claim(state, SETTINGS)
    (state / "checkpoints").mkdir()
    claim(state, SETTINGS)
    assert sorted(path.name for path in state.iterdir()) == ["checkpoints", "run.json"]


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    claim(tmp_path / "run", SETTINGS)
    with pytest.raises(
        NetworkError,
        match=r"a run with other settings: seed was 0 and is 3, width was 0\.5 and is 1\.0\.",
    ):
        claim(tmp_path / "run", {**SETTINGS, "width": 1.0, "seed": 3})


def test_training_of_an_earlier_version_resumes(tmp_path: Path) -> None:
    claim(tmp_path / "run", SETTINGS)
    claim(tmp_path / "run", {**SETTINGS, "quantization": "uint8", "patience": None})
    with pytest.raises(NetworkError, match="quantization was uint8 and is int8"):
        claim(tmp_path / "run", {**SETTINGS, "quantization": "int8"})


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(NetworkError, match="not the folder of a training run"):
        claim(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_unfinished_claim_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / f".run.json.{32 * '0'}.tmp").write_text('{"wid', encoding="utf-8")
    claim(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
