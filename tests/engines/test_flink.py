"""Test the same command on a real Flink, also when parts of it are killed."""

import os
import signal
from pathlib import Path

import pytest

from imagebeam.outputs.verify import verify
from tests.beam_pipeline.jobs import files, imagebeam, parts, predictions
from tests.engines.flink import Flink
from tests.engines.jobs import EVERYTHING, SHARDS
from tests.engines.tools import wait_until
from tests.faults.jobs import Job, assert_same_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_SOME = 4
"""The number of finished shards after which a process is killed."""


def test_a_detached_job_writes_the_same_files(
    tmp_path: Path, flink: Flink, inputs: tuple[Path, ...], clean: Path
) -> None:
    output = tmp_path / "out"
    job = ("label", *inputs, "--output", output, *EVERYTHING, *SHARDS)
    assert imagebeam(*job, *flink.options("portable"), "--detach") == 0
    wait_until((output / "summary.json").exists, "the summary of the detached job")
    assert files(output) == files(clean)
    assert verify(output) == []


def test_a_job_server_started_by_beam_writes_the_same_files(
    tmp_path: Path, flink: Flink, inputs: tuple[Path, ...]
) -> None:
    records = ("--format", "tfrecord", "--emit", "features,labels", *SHARDS)
    here, there = tmp_path / "here", tmp_path / "there"
    assert imagebeam("label", *inputs, "--output", here, *records) == 0
    job = Job(*inputs, "--output", there, *records, *flink.options("alone"))
    assert job.finish()[0] == 0
    assert files(there) == files(here)
    assert verify(there) == []


def test_a_killed_task_manager_loses_no_row(
    tmp_path: Path, flink: Flink, inputs: tuple[Path, ...], clean: Path
) -> None:
    output = tmp_path / "out"
    job = Job(*inputs, "--output", output, *EVERYTHING, *SHARDS, *flink.options())
    job.wait_until(lambda: parts(output) >= _SOME)
    flink.task_managers[-1].kill()
    flink.start_task_manager()
    assert job.finish()[0] == 0
    assert_same_rows(output, clean)
    flink.wait_for_task_managers(2)


def test_a_killed_worker_loses_no_row(
    tmp_path: Path, flink: Flink, inputs: tuple[Path, ...], clean: Path
) -> None:
    output = tmp_path / "out"
    job = Job(*inputs, "--output", output, *EVERYTHING, *SHARDS, *flink.options())
    job.wait_until(lambda: parts(output) >= _SOME)
    # They end by themselves soon after the job.
    for worker in flink.workers()[:1]:
        worker.kill()
    assert job.finish()[0] == 0
    assert_same_rows(output, clean)


def test_a_second_run_takes_over_from_a_killed_submitter(
    tmp_path: Path, flink: Flink, long_work: Path
) -> None:
    output = tmp_path / "out"
    again = (long_work, "--output", output)
    job = Job(*again, *SHARDS, *flink.options())
    job.wait_until(lambda: parts(output) >= _SOME)
    assert job.kill() == -signal.SIGKILL
    # The shards differ from those of the first run: duplicates would be visible.
    code, stderr = Job(*again, "--images-per-shard", 7).finish()
    assert code == 0
    assert "imagebeam: cancelled the job " in stderr
    assert len(predictions(output)) == len(list(long_work.iterdir()))
    assert verify(output) == []
    wait_until(lambda: flink.running_jobs() == [], "the earlier job to end")


def test_ctrl_c_cancels_the_job(tmp_path: Path, flink: Flink, long_work: Path) -> None:
    output = tmp_path / "out"
    job = Job(long_work, "--output", output, *SHARDS, *flink.options())
    job.wait_until(lambda: parts(output) >= _SOME)
    os.kill(job.pid, signal.SIGINT)
    assert job.finish()[0] == 130
    wait_until(lambda: flink.running_jobs() == [], "the job to end")
    assert not (output / "summary.json").exists()


def test_a_killed_job_server_is_reported_as_such(
    tmp_path: Path, flink: Flink, long_work: Path
) -> None:
    earlier = flink.job_endpoint
    server = flink.start_job_server()
    output = tmp_path / "out"
    job = Job(long_work, "--output", output, *SHARDS, *flink.options())
    flink.job_endpoint = earlier
    job.wait_until(lambda: parts(output) >= _SOME)
    server.kill()
    code, stderr = job.finish()
    assert code == 3
    assert "Beam's job server no longer answers" in stderr
    wait_until(lambda: flink.running_jobs() == [], "the job to end")


def test_workers_without_the_package_are_reported_at_once(
    tmp_path: Path, flink: Flink, inputs: tuple[Path, ...]
) -> None:
    # The package is then expected in the image and not sent.
    image = "--sdk_container_image=without-it"
    job = Job(*inputs, "--output", tmp_path / "out", *flink.options(), image)
    code, stderr = job.finish()
    assert code == 3
    assert "imagebeam is missing on the workers" in stderr
    wait_until(lambda: flink.running_jobs() == [], "the job to end")
