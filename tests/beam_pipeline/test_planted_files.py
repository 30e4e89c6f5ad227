"""Test jobs on outputs in which files were planted or altered."""

import io
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.beam_pipeline.jobs import archive, imagebeam, predictions


def test_an_altered_module_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = archive(tmp_path / "in", 3)
    out = tmp_path / "out"
    label = ("label", tmp_path / "in", "--output", out, "--module", "demo")
    assert imagebeam(*label, "--limit", 2) == 0
    [module] = (out / "job").glob("module-*")
    content = module.read_bytes()
    module.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert imagebeam("verify", out) == 1
    assert f"{module}: was changed since a run of this job wrote it" in capfd.readouterr().out
    assert imagebeam(*label) == 2
    assert f"{module}: was changed since a run of this job wrote it" in capfd.readouterr().err
    module.unlink()
    assert imagebeam(*label) == 0
    assert module.read_bytes() == content
    assert [row["uri"] for row in predictions(out)] == names


def test_parts_of_another_job_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 3)
    label = ("label", tmp_path / "in", "--module", "demo", "--output")
    assert imagebeam(*label, tmp_path / "out", "--limit", 1) == 0
    assert imagebeam(*label, tmp_path / "other", "--resize", "stretch") == 0
    for part in (tmp_path / "other/predictions").iterdir():
        shutil.copy(part, tmp_path / "out/predictions" / f"part-{'0' * 32}.parquet")
    capfd.readouterr()
    assert imagebeam(*label, tmp_path / "out") == 3
    stderr = capfd.readouterr().err
    assert (
        f"part-{'0' * 32}.parquet: was written by another job (resize stretch, not crop)" in stderr
    )


def test_an_input_in_a_folder_of_the_output_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "out" / "predictions", 2)
    inside = tmp_path / "out" / "predictions"
    command = ("label", inside, "--output", tmp_path / "out", "--module", "demo", "--overwrite")
    assert imagebeam(*command) == 2
    assert f"{inside}: is inside {inside}, which belongs to the output" in capfd.readouterr().err
    assert len(list(inside.rglob("*.jpg"))) == 2


def test_links_in_place_of_job_files_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = archive(tmp_path / "in", 2)
    out, victim = tmp_path / "out", tmp_path / "victim"
    label = ("label", "-", "--output", out, "--module", "demo")

    def run() -> int:
        typed = io.BytesIO("\n".join(names).encode())
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=typed))
        return imagebeam(*label)

    assert run() == 0
    victim.write_bytes(b"mine")
    for name in ("stdin.txt", "log.txt", "plan.json", "run.json"):
        (out / "job" / name).unlink(missing_ok=True)
        (out / "job" / name).symlink_to(victim)
    assert run() == 0
    assert victim.read_bytes() == b"mine"
    assert [row["uri"] for row in predictions(out)] == names
