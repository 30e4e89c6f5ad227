"""Test jobs on outputs in which files were planted or altered."""

import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from imagebeam.outputs.verify import verify
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


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "plant",
    [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")],
    ids=["pipe", "folder", "device"],
)
def test_something_else_in_place_of_the_module_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], plant: Callable[[Path], None]
) -> None:
    archive(tmp_path / "in", 2)
    out = tmp_path / "out"
    label = ("label", tmp_path / "in", "--output", out, "--module", "demo")
    assert imagebeam(*label, "--limit", 1) == 0
    [module] = (out / "job").glob("module-*")
    module.unlink()
    plant(module)
    assert imagebeam("verify", out) == 1
    assert imagebeam(*label) == 2
    assert f"{module}: was changed since a run of this job wrote it" in capfd.readouterr().err


def _job(output: Path) -> str:
    """Return the digest of the job in an output."""
    return str(json.loads((output / "summary.json").read_text())["job"])


@pytest.mark.parametrize(
    ("kind", "options", "difference"),
    [
        ("parquet", ("--resize", "stretch"), "resize stretch, not crop"),
        ("tfrecord", ("--top-k", 2), ""),
    ],
)
def test_parts_of_another_job_are_refused(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    kind: str,
    options: tuple[object, ...],
    difference: str,
) -> None:
    archive(tmp_path / "in", 3, rubbish=1)
    out, other = tmp_path / "out", tmp_path / "other"
    label = ("label", tmp_path / "in", "--module", "demo", "--format", kind, "--output")
    assert imagebeam(*label, out, "--limit", 1) == 0
    assert imagebeam(*label, other, *options) == 0
    difference = difference or f"job {_job(other)}, not {_job(out)}"
    for folder, suffix in (("predictions", kind), ("errors", "parquet")):
        [part] = (other / folder).iterdir()
        planted = out / folder / f"part-{'0' * 32}.{suffix}"
        shutil.copy(part, planted)
        capfd.readouterr()
        assert imagebeam("verify", out) == 1
        assert f"{planted}: was written by another job: {difference}\n" in capfd.readouterr().out
        assert imagebeam(*label, out) == 2
        stderr = capfd.readouterr().err
        assert f"{planted}: was written by another job ({difference}). Move it" in stderr
        planted.unlink()
    assert imagebeam(*label, out) == 0
    assert imagebeam("verify", out) == 0


def test_a_part_without_its_metadata_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 3)
    out = tmp_path / "out"
    label = ("label", tmp_path / "in", "--module", "demo", "--output", out)
    assert imagebeam(*label) == 0
    job = _job(out)
    [part] = (out / "predictions").iterdir()
    table = pq.read_table(part)
    pq.write_table(table.replace_schema_metadata(None), part)
    capfd.readouterr()
    difference = f"job unknown, not {job}"
    assert imagebeam("verify", out) == 1
    assert f"{part}: was written by another job: {difference}\n" in capfd.readouterr().out
    assert imagebeam(*label) == 2
    assert f"{part}: was written by another job ({difference}). Move it" in capfd.readouterr().err
    pq.write_table(table, part)
    assert imagebeam(*label) == 0
    assert imagebeam("verify", out) == 0


def test_a_damaged_part_is_refused_with_its_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 3)
    out = tmp_path / "out"
    label = ("label", tmp_path / "in", "--module", "demo", "--output", out)
    assert imagebeam(*label, "--limit", 1) == 0
    (out / "predictions" / f"part-{'0' * 32}.parquet").write_bytes(b"PAR1 no table PAR1")
    capfd.readouterr()
    assert imagebeam(*label) == 2
    [line] = [each for each in capfd.readouterr().err.splitlines() if "error: " in each]
    assert f"part-{'0' * 32}.parquet: damaged (" in line
    assert line.endswith("Delete it, then run the job again to redo its images.")
    assert imagebeam("compact", out) == 2
    assert "to redo its images; then compact.\n" in capfd.readouterr().err


def test_parts_of_another_job_are_not_joined_with_others(tmp_path: Path) -> None:
    archive(tmp_path / "in", 3)
    out, other = tmp_path / "out", tmp_path / "other"
    job = ("label", tmp_path / "in", "--module", "demo", "--format", "tfrecord")
    label = (*job, "--images-per-shard", 1, "--output")
    assert imagebeam(*label, out) == 0
    assert imagebeam(*label, other, "--top-k", 2) == 0
    for number, part in enumerate((other / "predictions").iterdir()):
        shutil.copy(part, out / "predictions" / f"part-{number:032}.tfrecord")
    assert imagebeam("compact", out) == 0
    assert len(list((out / "predictions").iterdir())) == 2
    [finding] = [text for text in verify(out) if "by another job" in text]
    assert finding.endswith(f"job {_job(other)}, not {_job(out)}")


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
