"""Test the same command on a service that speaks Dataflow's protocol."""

import base64
import bz2
import json
import re
import signal
import uuid
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from apache_beam.portability.api import beam_runner_api_pb2

from imagebeam.outputs.verify import verify
from imagebeam.samples import MODULE
from imagebeam.storage.location import AnyPath, Location
from tests.beam_pipeline.jobs import ROOT, archive
from tests.engines.dataflow import PROJECT, REGION, Dataflow, Refusal, pipeline_of
from tests.engines.jobs import EVERYTHING, SHARDS, bucket_parts, uploaded
from tests.engines.tools import wait_until
from tests.faults.jobs import Job, label
from tests.storage.servers import BUCKET

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_SECRET = "canary-0123456789"


@pytest.fixture
def place(gcs_bucket: str) -> Location:
    """Return an unused name in a bucket."""
    return Location(f"{gcs_bucket}/{uuid.uuid4().hex}")


@pytest.fixture
def pictures(tmp_path: Path, place: Location) -> Location:
    """Put a few pictures into the bucket."""
    archive(tmp_path / "in", 4)
    return uploaded(place / "in", tmp_path / "in")


def _job(dataflow: Dataflow, inputs: object, output: object, *more: object) -> Job:
    return Job(inputs, "--output", output, *dataflow.options(), *more)


def _told(stderr: str) -> str:
    """Return the one message in the log of a job."""
    [line] = [line for line in stderr.splitlines() if line.startswith("imagebeam: error: ")]
    return line.removeprefix("imagebeam: error: ")


def test_it_writes_the_same_files_from_the_staged_package(
    tmp_path: Path,
    dataflow: Dataflow,
    place: Location,
    inputs: tuple[Path, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", _SECRET)
    images = uploaded(place / "in", *inputs)
    clean, output = place / "clean", place / "out"
    assert label(images, "--output", clean, *EVERYTHING, *SHARDS) == 0
    machines = (
        *("--worker_machine_type=n2d-standard-4", "--max_num_workers=50", "--disk_size_gb=30"),
        "--service_account_email=workers@project.iam.gserviceaccount.com",
    )
    code, stderr = _job(dataflow, images, output, *EVERYTHING, *SHARDS, *machines).finish()
    assert code == 0
    assert "imagebeam: labelling 301 images" in stderr
    assert bucket_parts(output) == bucket_parts(clean)
    assert verify(output) == []
    [submitted] = dataflow.jobs.values()
    assert submitted.state == "JOB_STATE_DONE"
    _check_body(submitted.body)
    key = json.loads(dataflow.key().read_text())["private_key"]
    # The names of the embedded module and of Beam's own files contain local paths.
    texts = [text.replace(str(MODULE).encode(), b"") for text in _texts(dataflow)]
    ours = tuple(f"{ROOT}/{path.parent.name}" for path in ROOT.glob("*/__init__.py"))
    for kept in (_SECRET, key, str(tmp_path), *ours):
        assert [text for text in texts if kept.encode() in text] == []


def test_no_secret_of_a_list_or_a_header_is_in_the_job(
    dataflow: Dataflow, place: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataflow.works = False
    monkeypatch.setenv("A_TOKEN", _SECRET)
    entries = [
        {"uri": f"https://user:{_SECRET}@a.org/a.jpg?sig={_SECRET}", "page": f"{_SECRET} is kept"},
        {"uri": f"s3://KEY:{_SECRET}@bucket/a.jpg", "page": f"https://a.org/?token={_SECRET}"},
    ]
    (place / "list.jsonl").write_bytes("\n".join(map(json.dumps, entries)).encode())
    options = ("--detach", "--keep", "page", "--header", "a.org X-Token: $A_TOKEN")
    code, stderr = _job(dataflow, place / "list.jsonl", place / "out", *options).finish()
    assert code == 0, stderr
    texts = [*_texts(dataflow), stderr.encode()]
    assert [text for text in texts if _SECRET.encode() in text] == []


def _texts(dataflow: Dataflow) -> tuple[bytes, ...]:
    """Return all that the service got of its only job."""
    [submitted] = dataflow.jobs.values()
    graph = dataflow.staged(pipeline_of(submitted.body))
    texts = (json.dumps(submitted.body).encode(), graph, *_pickled(graph))
    assert len(texts) > 10
    return texts


def _pickled(graph: bytes) -> Iterator[bytes]:
    """Unpack the parts of a graph that Beam has packed."""
    for found in re.finditer(rb"[A-Za-z0-9+/]{40,}={0,2}", graph):
        with suppress(ValueError, OSError):
            yield bz2.decompress(base64.b64decode(found[0]))


def _check_body(body: dict[str, Any]) -> None:
    environment = body["environment"]
    [pool] = environment["workerPools"]
    assert sorted(package["name"] for package in pool["packages"]) == [
        "extra_packages.txt",
        "imagebeam-0.1.0-py3-none-any.whl",
    ]
    assert pool["machineType"] == "n2d-standard-4"
    assert pool["diskSizeGb"] == 30
    assert pool["autoscalingSettings"] == {"maxNumWorkers": 50}
    assert pool["workerHarnessContainerImage"].startswith("gcr.io/cloud-dataflow/v1beta3/beam_py")
    assert environment["serviceAccountEmail"] == "workers@project.iam.gserviceaccount.com"
    options = environment["sdkPipelineOptions"]["options"]
    [package] = options["extra_packages"]
    assert package.startswith(f"gs://{BUCKET}/temp/packages/")


def test_a_memory_hint_and_one_process_per_machine_reach_the_service(
    dataflow: Dataflow, place: Location, pictures: Location
) -> None:
    dataflow.works = False
    wanted = ("--resource_hints=min_ram=8GB", "--experiments=no_use_multiple_sdk_containers")
    assert _job(dataflow, pictures, place / "out", "--detach", *wanted).finish()[0] == 0
    [submitted] = dataflow.jobs.values()
    experiments = submitted.body["environment"]["experiments"]
    assert "no_use_multiple_sdk_containers" in experiments
    assert "use_multiple_sdk_containers" not in experiments
    graph = beam_runner_api_pb2.Pipeline.FromString(dataflow.staged(pipeline_of(submitted.body)))
    hints = [dict(each.resource_hints) for each in graph.components.environments.values()]
    assert {"beam:resources:min_ram_bytes:v1": b"8000000000"} in hints


def test_a_named_image_receives_no_package_and_must_contain_it(
    dataflow: Dataflow, place: Location, pictures: Location
) -> None:
    image = "--sdk_container_image=registry.example/imagebeam:1"
    code, stderr = _job(dataflow, pictures, place / "out", image).finish()
    assert code == 3
    assert "imagebeam is missing on the workers, or has another version" in _told(stderr)
    [job] = dataflow.jobs.values()
    [pool] = job.body["environment"]["workerPools"]
    assert pool["workerHarnessContainerImage"] == "registry.example/imagebeam:1"
    assert "packages" not in pool


def test_an_image_with_another_beam_version_is_refused(
    dataflow: Dataflow, place: Location, pictures: Location
) -> None:
    dataflow.beam = "2.76.0"
    code, stderr = _job(dataflow, pictures, place / "out").finish()
    assert code == 3
    held = f"a worker has apache-beam 2.76.0 (submitter: {version('apache-beam')})"
    assert held in _told(stderr)


def test_a_cancelled_job_is_reported(
    dataflow: Dataflow, place: Location, pictures: Location
) -> None:
    dataflow.works = False
    job = _job(dataflow, pictures, place / "out")
    job.wait_until(lambda: bool(dataflow.jobs))
    next(iter(dataflow.jobs.values())).stop()
    code, stderr = job.finish()
    assert code == 3
    assert "Dataflow reports only the state CANCELLED" in _told(stderr)


@pytest.mark.parametrize(
    ("refusal", "code", "message"),
    [
        (
            Refusal("GET", "jobs$", 403, "Permission denied on resource project project."),
            2,
            f"--project={PROJECT} --region={REGION}: Dataflow refuses it (Permission denied on "
            "resource project project). Grant the submitting account the role "
            "roles/dataflow.developer, and enable the Dataflow API in the project.",
        ),
        (
            Refusal("POST", "jobs$", 403, "Project has insufficient quota(s) for 50 instances."),
            3,
            "the job could not be submitted: Dataflow refuses it (Project has insufficient "
            "quota(s) for 50 instances). Request more quota, or use fewer or smaller workers: "
            "--max_num_workers, --worker_machine_type.",
        ),
        (
            Refusal("POST", "jobs$", 409, "There is already an active job named labels."),
            3,
            "the job could not be submitted: Dataflow refuses it (There is already an active job "
            "named labels). Wait for the end of that job, or omit --job_name.",
        ),
    ],
    ids=["permission", "quota", "name"],
)
def test_refusals_of_the_service_are_reported(
    dataflow: Dataflow,
    place: Location,
    pictures: Location,
    refusal: Refusal,
    code: int,
    message: str,
) -> None:
    dataflow.refusals.append(refusal)
    ended, stderr = _job(dataflow, pictures, place / "out").finish()
    assert (ended, _told(stderr)) == (code, message)
    assert dataflow.jobs == {}


def test_unknown_credentials_are_reported(
    dataflow: Dataflow, place: Location, pictures: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(dataflow.key("other-token")))
    code, stderr = _job(dataflow, pictures, place / "out").finish()
    assert code == 2
    assert _told(stderr) == (
        f"--project={PROJECT} --region={REGION}: Dataflow refuses it (Request had invalid "
        "authentication credentials). Run `gcloud auth application-default login`, or name a "
        "valid key file in GOOGLE_APPLICATION_CREDENTIALS."
    )
    assert list((place / "out").iterdir()) == []


def test_a_missing_bucket_is_reported(
    dataflow: Dataflow, place: Location, pictures: Location
) -> None:
    elsewhere = "--temp_location=gs://no-such-bucket/temp"
    code, stderr = _job(dataflow, pictures, place / "out", elsewhere).finish()
    assert code == 2
    assert _told(stderr).startswith(f"{elsewhere}: cannot be written (")


def test_a_transient_service_error_is_retried(
    dataflow: Dataflow, place: Location, pictures: Location
) -> None:
    dataflow.refusals.append(Refusal("GET", "jobs/[^/]+$", 503, "Try again later.", times=2))
    output = place / "out"
    assert _job(dataflow, pictures, output).finish()[0] == 0
    assert dataflow.refusals[0].times == 0
    assert verify(output) == []


def test_a_lost_job_is_reported(dataflow: Dataflow, place: Location, pictures: Location) -> None:
    dataflow.works = False
    job = _job(dataflow, pictures, place / "out")
    job.wait_until(lambda: bool(dataflow.jobs))
    dataflow.jobs.clear()
    code, stderr = job.finish()
    assert code == 3
    assert "Dataflow no longer knows its id" in _told(stderr)


def test_ctrl_c_cancels_the_job(dataflow: Dataflow, place: Location, pictures: Location) -> None:
    dataflow.works = False
    output = place / "out"
    job = _job(dataflow, pictures, output)
    job.wait_until(lambda: _is_at_dataflow(output))
    assert job.interrupt() == 130
    [left] = dataflow.jobs.values()
    assert left.state == "JOB_STATE_CANCELLED"


def test_a_detached_job_runs_on(dataflow: Dataflow, place: Location, pictures: Location) -> None:
    clean, output = place / "clean", place / "out"
    assert label(pictures, "--output", clean) == 0
    assert _job(dataflow, pictures, output, "--detach").finish()[0] == 0
    wait_until((output / "summary.json").exists, "the summary of the detached job")
    assert bucket_parts(output) == bucket_parts(clean)
    assert verify(output) == []


def test_a_second_run_cancels_the_job_of_a_killed_submitter(
    tmp_path: Path, dataflow: Dataflow, pictures: Location
) -> None:
    dataflow.works = False
    # On a disk, the lock of a killed process is released at once.
    output = tmp_path / "out"
    job = _job(dataflow, pictures, output, "--shared-disk")
    job.wait_until(lambda: _is_at_dataflow(output))
    assert job.kill() == -signal.SIGKILL
    # The second run needs no option that names the first job.
    code, stderr = Job(pictures, "--output", output).finish()
    assert code == 0
    assert "imagebeam: cancelled the job " in stderr
    [left] = dataflow.jobs.values()
    assert left.state == "JOB_STATE_CANCELLED"
    assert verify(output) == []


def _is_at_dataflow(output: AnyPath) -> bool:
    run = output / "job" / "run.json"
    return run.exists() and "dataflow" in run.read_text()
