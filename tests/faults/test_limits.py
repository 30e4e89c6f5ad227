"""Test that exhausted resources end a job with its exit code, its message and the rows so far."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebeam.outputs.verify import verify
from tests.beam_pipeline.jobs import archive, errors, parts, predictions
from tests.faults.decoding import bmp
from tests.faults.jobs import Job, assert_same_rows, label


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _fill(disk: Path, left: int = 0) -> Path:
    """Fill a disk except for some bytes."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler = disk / "filler"
    filler.write_bytes(bytes(free - left))
    return filler


def test_a_full_disk_breaks_the_job_and_free_space_resumes_it(
    tmp_path: Path, small_disk: Path
) -> None:
    archive(tmp_path / "in", 40)
    output, clean = small_disk / "out", tmp_path / "clean"
    job = (tmp_path / "in", "--output", output, "--images-per-shard", 2)
    assert label(*job, "--limit", 4) == 0
    before = parts(output)
    filler = _fill(small_disk, left=60_000)
    code, stderr = Job(*job).finish()
    assert code == 3
    assert before < parts(output) < 20
    [error] = [line for line in stderr.splitlines() if "error" in line]
    assert "No space left on device. Free disk space: the missing rows need about " in error
    assert "run the same command again" in error
    assert verify(output) == [
        f"{output}/summary.json: missing: the job is not complete. Run its command to resume it."
    ]
    filler.unlink()
    assert label(*job) == 0
    assert label(tmp_path / "in", "--output", clean) == 0
    assert_same_rows(output, clean)


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_start_is_reported(tmp_path: Path, small_disk: Path) -> None:
    archive(tmp_path / "in", 2)
    filler = _fill(small_disk)
    code, stderr = Job(tmp_path / "in", "--output", small_disk / "out").finish()
    assert code == 2
    assert "No space left on device. Free disk space, or choose another --output." in stderr
    filler.unlink()
    assert label(tmp_path / "in", "--output", small_disk / "out") == 0
    assert verify(small_disk / "out") == []


@pytest.mark.slow
def test_full_folders_for_temporary_and_cached_files_do_not_matter(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "in", 4)
    _fill(small_disk)
    monkeypatch.setenv("TMPDIR", str(small_disk))
    monkeypatch.setenv("XDG_CACHE_HOME", str(small_disk))
    code, _ = Job(tmp_path / "in", "--output", tmp_path / "out").finish()
    assert code == 0
    assert len(predictions(tmp_path / "out")) == 4
    assert verify(tmp_path / "out") == []


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(8))
def test_a_file_that_cannot_be_synced_breaks_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], turn: int
) -> None:
    archive(tmp_path / "in", 8, rubbish=1)
    job = (tmp_path / "in", "--images-per-shard", 3, "--output")
    synchronise, turns = os.fsync, iter(range(100))

    def fail_once(descriptor: int) -> None:
        if next(turns) == turn:
            raise OSError(5, "Input/output error")
        synchronise(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail_once)
        assert label(*job, tmp_path / "out") in (2, 3)
    assert "Input/output error" in capfd.readouterr().err
    assert not (tmp_path / "out" / "summary.json").exists()
    assert label(*job, tmp_path / "out") == 0
    assert label(*job, tmp_path / "clean") == 0
    assert_same_rows(tmp_path / "out", tmp_path / "clean")


@pytest.mark.usefixtures("faulty_decoder")
def test_failing_decoders_write_error_rows_and_a_retry_repeats_them(tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    names = archive(folder, 20)
    bad = [bmp(folder / f"{fault}.bmp", 9, fault) for fault in ("crash", "hang", "raise")]
    assert label(folder, "--output", output, "--decode-seconds", 2) == 0
    assert [row["uri"] for row in predictions(output)] == names
    assert [(row["uri"], row["code"], row["retryable"]) for row in errors(output)] == [
        (bad[0], "decode_crash", True),
        (bad[1], "decode_timeout", True),
        (bad[2], "corrupt", False),
    ]
    for uri in bad:
        bmp(Path(uri), 9)
    assert label(folder, "--output", output, "--retry-failed", "decode_timeout") == 0
    assert [row["uri"] for row in errors(output)] == [bad[0], bad[2]]
    assert label(folder, "--output", output, "--retry-failed") == 0
    assert [row["uri"] for row in errors(output)] == [bad[2]]
    assert [row["uri"] for row in predictions(output)] == sorted([*names, *bad[:2]])
    assert verify(output) == []


@pytest.mark.parametrize("allowed", [0, 1])
def test_a_job_uses_the_decoding_processes_that_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], allowed: int
) -> None:
    archive(tmp_path / "in", 20)
    plugin = f"import os\ntry: os.mkdir({str(tmp_path / 'first')!r})\nexcept OSError: os._exit(7)"
    if not allowed:
        (tmp_path / "first").mkdir()
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "sitecustomize.py").write_text(plugin)
    job = (tmp_path / "in", "--output", tmp_path / "out", "--decode-processes", 3)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path / "plugin")
        code = label(*job)
    stderr = capfd.readouterr().err
    reason = "no more can be started (it ended with exit code 7). Raise the limits"
    assert (
        f"imagebeam: warning: {allowed or 1} of 3 decoding processes are used: {reason}" in stderr
    )
    if allowed:
        assert code == 0
    else:
        assert code == 2
        reason = "no decoding process can be started: it ended with exit code 7. Raise the limits "
        assert f"imagebeam: error: {reason}" in stderr
        assert parts(tmp_path / "out") == 0
        assert label(*job) == 0
    assert len(predictions(tmp_path / "out")) == 20


@pytest.mark.usefixtures("faulty_decoder")
@pytest.mark.parametrize(
    ("level", "message"),
    [
        (9, "RuntimeError: poisoned"),
        (11, "the process that ran the module ended with signal Segmentation fault"),
    ],
)
def test_pictures_on_which_the_module_fails_are_error_rows(
    tmp_path: Path, level: int, message: str
) -> None:
    folder, output, clean = tmp_path / "in", tmp_path / "out", tmp_path / "clean"
    archive(folder, 30)
    assert label(folder, "--output", clean) == 0
    poisoned = [bmp(folder / f"{n}.bmp", level, "poison") for n in range(2)]
    repeat = "--direct_runner_bundle_repeat=2"
    assert label(folder, "--output", output, "--max-failure-rate", 0.1, repeat) == 0
    assert predictions(output) == predictions(clean)
    assert [(row["uri"], row["code"], row["message"]) for row in errors(output)] == [
        (uri, "inference_failed", message) for uri in poisoned
    ]
    assert verify(output) == []
    for uri in poisoned:
        bmp(Path(uri), level)
    assert label(folder, "--output", output, "--retry-failed", "inference_failed") == 0
    assert len(predictions(output)) == 32
    assert verify(output) == []


def test_a_file_deleted_after_listing_is_an_error_row(tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    held, doomed = Path(bmp(folder / "1.bmp", 7, "wait")), Path(bmp(folder / "2.bmp", 7))
    job = Job(folder, "--output", output)
    job.wait_until(held.with_suffix(".reached").exists)
    # The first images start before the listing ends.
    job.wait_until((output / "job" / "plan.json").exists)
    doomed.unlink()
    held.with_suffix(".go").touch()
    assert job.finish()[0] == 0
    assert [row["uri"] for row in predictions(output)] == [str(held)]
    assert [(row["uri"], row["code"]) for row in errors(output)] == [(str(doomed), "not_found")]
    assert verify(output) == []


def test_a_stalled_job_is_aborted_with_its_state(tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    archive(folder, 3)
    stopped = Path(bmp(folder / "stopped.bmp", 7, "stop"))
    job = (folder, "--output", output, "--images-per-shard", 1)
    code, stderr = Job(*job, "--stall-seconds", 5).finish()
    assert code == 3
    assert "(--stall-seconds)" in stderr
    assert "run the same command again to resume" in stderr
    log = (output / "job" / "log.txt").read_text()
    assert "most recent call first" in log
    assert "decoding_process.py" in log
    bmp(stopped, 7)
    assert label(*job) == 0
    assert len(predictions(output)) == 4
    assert verify(output) == []


def test_jobs_with_too_many_failures_end_early_and_keep_their_rows(tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "0000.jpg").write_bytes(b"<html>")
    for n in range(1, 6000):
        os.link(folder / "0000.jpg", folder / f"{n:04}.jpg")
    # Decoding this picture never ends, so the job cannot finish before it is aborted.
    bmp(tmp_path / "endless.bmp", 7, "wait")
    limit = ("--max-failure-rate", 0.5)
    code, stderr = Job(folder, tmp_path / "endless.bmp", "--output", output, *limit).finish()
    assert code == 1
    assert "images failed, more than --max-failure-rate accepts" in stderr
    assert not (output / "summary.json").exists()
    rows = errors(output)
    assert 1000 <= len(rows) <= 6000
    assert {row["code"] for row in rows} == {"unsupported_format"}
    assert list(output.rglob("*.tmp")) == []
