"""Test that a job that is stopped and run again writes the rows of an undisturbed one."""

import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.verify import verify
from tests.beam_pipeline.jobs import archive, parts
from tests.engines.tools import workers_below
from tests.faults.decoding import bmp
from tests.faults.jobs import Job, assert_same_rows, label

SHARDS = ("--images-per-shard", 2)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    archive(folder, 36, rubbish=4)
    return folder


@pytest.fixture(scope="module")
def clean(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the output of an undisturbed run."""
    output = tmp_path_factory.mktemp("clean") / "out"
    assert label(images, "--output", output) == 0
    return output


@pytest.mark.parametrize("seed", range(3))
def test_a_job_killed_at_any_moment_resumes(
    tmp_path: Path, images: Path, clean: Path, seed: int
) -> None:
    choose = random.Random(seed)
    output = tmp_path / "out"
    job = Job(images, "--output", output, *SHARDS)
    if (finished := choose.randrange(-2, 18)) >= 0:
        job.wait_until(lambda: parts(output) >= finished)
    else:
        job.wait_until((output / "job").exists)
    time.sleep(choose.uniform(0, 0.1))
    code = job.kill()
    complete = (output / "summary.json").exists()
    assert code == -signal.SIGKILL or complete
    assert _is_sound(output) is complete
    again = (*sorted(images.glob("[eo]*"), reverse=True), *sorted(images.glob("rubbish*")))
    assert label(*again, "--output", output, "--images-per-shard", choose.randrange(1, 20)) == 0
    assert_same_rows(output, clean)


def _is_sound(output: Path) -> bool:
    try:
        return verify(output) == []
    except OutputError:
        # The job was killed before it claimed the folder.
        return False


@pytest.mark.slow
def test_a_job_killed_repeatedly_resumes(tmp_path: Path, images: Path, clean: Path) -> None:
    output = tmp_path / "out"
    # No job ends before this picture, which is the last one.
    endless = bmp(tmp_path / "endless.bmp", 7, "wait")
    for finished in (1, 7, 13):
        job = Job(images, endless, "--output", output, "--images-per-shard", 1)
        job.wait_until(lambda more=finished: parts(output) >= more)  # type: ignore[misc]
        assert job.kill() == -signal.SIGKILL
    assert label(images, "--output", output) == 0
    assert_same_rows(output, clean)


@pytest.mark.parametrize("how", ["interrupt", pytest.param("kill", marks=pytest.mark.slow)])
def test_a_job_stopped_while_a_decoder_hangs_ends(tmp_path: Path, how: str) -> None:
    (tmp_path / "in").mkdir()
    hanging = Path(bmp(tmp_path / "in" / "1.bmp", 7, "wait"))
    output = tmp_path / "out"
    job = Job(tmp_path / "in", "--output", output)
    job.wait_until(hanging.with_suffix(".reached").exists)
    code = job.interrupt() if how == "interrupt" else job.kill()
    assert code == (130 if how == "interrupt" else -signal.SIGKILL)
    assert label(tmp_path / "in", "--output", output) == 0
    assert verify(output) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM]
)
def test_a_job_that_a_signal_of_the_terminal_ends_leaves_no_process(
    tmp_path: Path, images: Path, clean: Path, how: signal.Signals
) -> None:
    held = Path(bmp(tmp_path / "1.bmp", 7, "wait"))
    output = tmp_path / "out"
    without_core = ("sh", "-c", 'ulimit -c 0 && exec "$@"', "sh")
    job = Job(images, held, "--output", output, *SHARDS, through=without_core)
    job.wait_until(held.with_suffix(".reached").exists)
    assert job.interrupt(how) == -how
    assert label(images, "--output", output) == 0
    assert_same_rows(output, clean)


@pytest.mark.slow
def test_a_killed_worker_process_ends_the_job_and_the_next_run_resumes(
    tmp_path: Path, images: Path, clean: Path
) -> None:
    held = Path(bmp(tmp_path / "1.bmp", 7, "wait"))
    output = tmp_path / "out"
    mode = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    job = Job(held, "--output", output, *mode)
    job.wait_until(held.with_suffix(".reached").exists)
    workers = workers_below(psutil.Process(job.pid))
    assert workers != []
    for worker in workers:
        worker.kill()
    code, stderr = job.finish()
    assert code == 3
    assert "run the same command again" in stderr
    assert label(held, images, "--output", output) == 0
    assert verify(output) == []


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["job", "worker"])
def test_a_job_whose_workers_still_start_leaves_none(
    tmp_path: Path, images: Path, killed: str
) -> None:
    mode = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    endless = bmp(tmp_path / "endless.bmp", 7, "wait")
    job = Job(endless, images, "--output", tmp_path / "out", *mode)
    found: list[psutil.Process] = []

    def started() -> bool:
        found[:] = workers_below(psutil.Process(job.pid))
        return len(found) == 2

    job.wait_until(started)
    (psutil.Process(job.pid) if killed == "job" else found[0]).kill()
    code, stderr = job.finish()
    assert code == (-signal.SIGKILL if killed == "job" else 3)
    assert killed == "job" or "a worker process ended (" in stderr
    # They used to live on for minutes.
    assert psutil.wait_procs(found, timeout=60)[1] == []
