"""Test jobs on a real Flink that read from a bucket and write to it."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import boto3
import pytest

from imagebeam.outputs.layout import Layout
from imagebeam.outputs.verify import verify
from imagebeam.storage import registry
from imagebeam.storage.location import Location
from tests.beam_pipeline.jobs import archive, errors, imagebeam, predictions
from tests.engines.flink import Flink
from tests.engines.jobs import EVERYTHING, SHARDS, uploaded
from tests.engines.tools import free_port, listens, tool, wait_until
from tests.faults.jobs import Job
from tests.outputs.outputs import below
from tests.storage.servers import BUCKET

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_SOME = 4
"""The number of finished shards after which a process is killed."""

_USER, _PASSWORD = "imagebeam", "of-the-workers"


class Bucket(NamedTuple):
    """A bucket, and the variables with which a process finds and may use it."""

    root: Location
    environment: dict[str, str]


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run MinIO with a bucket; yield the variables of its clients."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    folder = tmp_path_factory.mktemp("minio")
    command = [str(tool("bin/minio")), "server", str(folder), "--quiet"]
    root = {"MINIO_ROOT_USER": _USER, "MINIO_ROOT_PASSWORD": _PASSWORD}
    with subprocess.Popen(
        [*command, "--address", f"127.0.0.1:{port}", "--console-address", "127.0.0.1:0"],
        env=os.environ | root,
        stdout=subprocess.DEVNULL,
    ) as server:
        try:
            wait_until(lambda: listens(port), "MinIO does not listen")
            keys = {"aws_access_key_id": _USER, "aws_secret_access_key": _PASSWORD}
            client = boto3.client("s3", "us-east-1", endpoint_url=address, **keys)
            client.create_bucket(Bucket=BUCKET)
            yield {
                "AWS_ENDPOINT_URL_S3": address,
                "AWS_ACCESS_KEY_ID": _USER,
                "AWS_SECRET_ACCESS_KEY": _PASSWORD,
            }
        finally:
            server.terminate()


@pytest.fixture(params=["gs", "s3"])
def bucket(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, flink: Flink
) -> Iterator[Bucket]:
    """Return an unused name in a bucket for which this process and the workers have variables."""
    if request.param == "gs":
        environment = {"STORAGE_EMULATOR_HOST": request.getfixturevalue("gcs_server")}
    else:
        environment = request.getfixturevalue("minio")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    registry.forget_stores()
    flink.set_worker_environment(**environment)
    yield Bucket(Location(f"{request.param}://{BUCKET}/{uuid.uuid4().hex}"), environment)
    flink.set_worker_environment()
    registry.forget_stores()


def _fetched(output: Location, folder: Path) -> Path:
    for name, data in below(output).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def _assert_same_rows(output: Location, clean: Path, folder: Path) -> None:
    assert verify(output) == []
    copy = _fetched(output, folder)
    assert predictions(copy) == predictions(clean)
    assert errors(copy) == errors(clean)


def test_a_killed_task_manager_loses_no_row(
    tmp_path: Path, flink: Flink, bucket: Bucket, inputs: tuple[Path, ...]
) -> None:
    images = uploaded(bucket.root / "in", *inputs)
    clean, output = tmp_path / "clean", bucket.root / "out"
    assert imagebeam("label", images, "--output", clean, *EVERYTHING) == 0
    job = Job(images, "--output", output, *EVERYTHING, *SHARDS, *flink.options())
    layout = Layout(output)
    job.wait_until(lambda: sum(1 for _ in layout.prediction_parts()) >= _SOME)
    flink.task_managers[-1].kill()
    flink.start_task_manager()
    code, stderr = job.finish()
    assert code == 0, stderr
    _assert_same_rows(output, clean, tmp_path / "copy")
    flink.wait_for_task_managers(2)


def test_two_jobs_at_once_write_their_own_rows(
    tmp_path: Path, flink: Flink, bucket: Bucket
) -> None:
    jobs = []
    for name, count in (("one", 24), ("two", 31)):
        archive(tmp_path / name, count, rubbish=3)
        images = uploaded(bucket.root / name, tmp_path / name)
        clean, output = tmp_path / f"clean-{name}", bucket.root / f"out-{name}"
        assert imagebeam("label", images, "--output", clean) == 0
        # The later option counts. Each job gets one of the two slots.
        job = Job(images, "--output", output, *SHARDS, *flink.options(), "--parallelism=1")
        jobs.append((job, output, clean))
    for job, output, clean in jobs:
        code, stderr = job.finish()
        assert code == 0, stderr
        _assert_same_rows(output, clean, tmp_path / f"copy-{clean.name}")


def test_workers_without_credentials_of_their_own_stop_the_job(
    tmp_path: Path, flink: Flink, minio: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in minio.items():
        monkeypatch.setenv(name, value)
    registry.forget_stores()
    flink.set_worker_environment(**minio | {"AWS_SECRET_ACCESS_KEY": "another"})
    try:
        archive(tmp_path / "in", 3)
        root = Location(f"s3://{BUCKET}/{uuid.uuid4().hex}")
        images = uploaded(root / "in", tmp_path / "in")
        job = Job(images, "--output", root / "out", *SHARDS, *flink.options())
        code, stderr = job.finish()
    finally:
        flink.set_worker_environment()
        registry.forget_stores()
    assert code == 3
    assert _PASSWORD not in stderr
    assert "a worker cannot use the bucket" in stderr
