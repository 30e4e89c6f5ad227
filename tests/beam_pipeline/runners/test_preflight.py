"""Test the checks before a job is sent to a runner."""

import json
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from apache_beam.options.pipeline_options import FlinkRunnerOptions

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.runners import preflight
from imagebeam.beam_pipeline.runners.beam_options import pipeline_options
from imagebeam.extras import install_command
from tests.beam_pipeline.jobs import archive, imagebeam
from tests.engines.tools import answering, free_port

_MASTER = "--flink_master=flink.example:8081"


@pytest.mark.parametrize(
    ("arguments", "sees"),
    [
        ((), True),
        (("--runner=PrismRunner",), True),
        (("--runner=FlinkRunner",), True),
        (("--runner=FlinkRunner", _MASTER), False),
        (("--runner=FlinkRunner", _MASTER, "--environment_type=EXTERNAL"), False),
        (("--runner=FlinkRunner", _MASTER, "--environment_type=LOOPBACK"), True),
        (("--runner=FlinkRunner", "--flink_master=localhost:8081"), False),
        (
            ("--runner=flink", "--flink_master=127.0.0.1:8081", "--environment_type=PROCESS"),
            True,
        ),
        (("--runner=PortableRunner", "--job_endpoint=[::1]:9"), False),
        (
            ("--runner=PortableRunner", "--job_endpoint=[::1]:9", "--environment_type=EXTERNAL"),
            True,
        ),
        (
            ("--runner=PortableRunner", "--job_endpoint=jobs:9", "--environment_type=PROCESS"),
            False,
        ),
        (("--runner=DataflowRunner",), False),
    ],
)
def test_runners_that_see_local_files_are_known(arguments: tuple[str, ...], sees: bool) -> None:
    assert preflight.sees_this_disk(pipeline_options(arguments)) is sees


_APART = "--direct_running_mode=multi_processing"


@pytest.mark.parametrize(
    ("arguments", "cores"),
    [
        (("--runner=DataflowRunner",), 1),
        (("--runner=DataflowRunner", "--experiments=no_use_multiple_sdk_containers"), None),
        (("--runner=FlinkRunner",), None),
        (("--runner=DirectRunner",), None),
        (("--direct_num_workers=8",), None),
        ((_APART, "--direct_num_workers=8"), 8),
        ((_APART, "--direct_num_workers=100"), 1),
        ((_APART, "--direct_num_workers=0"), 1),
    ],
)
def test_a_worker_process_uses_its_share_of_the_cores(
    arguments: tuple[str, ...], cores: int | None
) -> None:
    assert preflight.cores_of_a_worker(pipeline_options(arguments), 64) == cores


def test_paths_that_workers_cannot_see_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 1)
    job = ("label", tmp_path / "in", "--output", tmp_path / "out", "--runner=FlinkRunner", _MASTER)
    assert imagebeam(*job) == 2
    captured = capfd.readouterr().err
    assert f"{tmp_path / 'in'}: the workers of flink cannot read this local path" in captured
    assert "--shared-disk" in captured
    assert not (tmp_path / "out").exists()


def test_a_missing_job_server_is_reported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint = f"--job_endpoint=localhost:{free_port()}"
    job = ("label", tmp_path, "--output", tmp_path / "out", "--shared-disk", endpoint)
    assert imagebeam(*job, "--runner=PortableRunner") == 2
    assert f"{endpoint}: no job server responds there" in capfd.readouterr().err


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.0 200 OK\r\n\r\n<html>", b"\0\0Akka\r\n"], ids=["http", "other"]
)
def test_a_server_that_is_no_job_server_is_reported(answer: bytes) -> None:
    with answering(answer) as port:
        options = ("--runner=PortableRunner", f"--job_endpoint=localhost:{port}")
        with pytest.raises(UsageError, match=r"is no job server of Beam \(UNAVAILABLE\)"):
            preflight.check(pipeline_options(options))


def test_a_service_of_grpc_that_is_no_job_server_is_reported() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("localhost:0")
    server.start()
    options = ("--runner=PortableRunner", f"--job_endpoint=localhost:{port}")
    with pytest.raises(UsageError, match=r"is no job server of Beam \(UNIMPLEMENTED\)"):
        preflight.check(pipeline_options(options))
    server.stop(None)


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("--runner=PortableRunner", "the job server is missing"),
        ("--runner=PrismRunner --prism_location=/none", "--prism_location=/none: no such file"),
        ("--runner=PortableRunner --job_endpoint=8099", "give HOST:PORT"),
        ("--runner=PortableRunner --job_endpoint=http://a:8099", "give HOST:PORT"),
    ],
)
def test_a_runner_that_cannot_start_is_reported(argument: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        preflight.check(pipeline_options(argument.split()))


def test_a_missing_flink_is_reported() -> None:
    master = f"--flink_master=localhost:{free_port()}"
    with pytest.raises(UsageError, match="no Flink responds there"):
        preflight.check(pipeline_options(("--runner=FlinkRunner", master)))


@pytest.mark.parametrize(
    ("version", "task_managers", "reason"),
    [("1.16.3", 2, "runs Flink 1.16.3"), ("1.20.5", 0, "this Flink has no task manager")],
)
def test_a_flink_without_slots_or_of_another_version_is_reported(
    version: str, task_managers: int, reason: str
) -> None:
    with (
        _flink(version, task_managers) as master,
        pytest.raises(UsageError, match=reason),
    ):
        preflight.check(pipeline_options(("--runner=FlinkRunner", master)))


def test_the_job_server_is_of_the_version_of_the_cluster() -> None:
    with _flink("1.20.5", 2) as master:
        options = pipeline_options(("--runner=FlinkRunner", master))
        preflight.check(options)
    assert options.view_as(FlinkRunnerOptions).flink_version == "1.20"


def test_a_package_that_task_managers_cannot_read_is_reported() -> None:
    with _flink("1.20.5", 2) as master:
        # An address of this machine that is not one of loopback.
        options = ("--runner=FlinkRunner", master.replace("localhost", "0.0.0.0"))
        with pytest.raises(UsageError, match="its task managers could not read the package"):
            preflight.check(pipeline_options(options))
        for other in (
            "--sdk_container_image=image",
            "--artifacts_dir=gs://bucket/staged",
            "--environment_type=LOOPBACK",
            "--flink_submit_uber_jar",
        ):
            preflight.check(pipeline_options((*options, other)))
        preflight.check(pipeline_options(("--runner=FlinkRunner", master)))


@pytest.mark.parametrize(
    "arguments",
    [(), ("--runner=PrismRunner",), ("--runner=FlinkRunner", _MASTER)],
)
def test_a_job_that_ends_with_its_submitter_cannot_be_detached(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="would end with this process"):
        preflight.check_detachable(pipeline_options(arguments))


_DATAFLOW = (
    *("--runner=DataflowRunner", "--project=project", "--region=region"),
    "--temp_location=gs://bucket/temp",
)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (_DATAFLOW[:1], "--project is missing. Add --project=PROJECT"),
        (_DATAFLOW[:3], "--temp_location is missing. Add --temp_location=gs://BUCKET/FOLDER"),
        (
            (*_DATAFLOW, "--temp_location=/here"),
            "--temp_location=/here: the workers of Dataflow cannot read",
        ),
        ((*_DATAFLOW, "--template_location=gs://b/t"), "a classic template has fixed inputs"),
        (
            (*_DATAFLOW, "--no_auth", "--dataflow_endpoint=http://localhost:1"),
            "--dataflow_endpoint=http://localhost:1: Dataflow does not respond there",
        ),
    ],
)
def test_a_dataflow_job_that_cannot_be_submitted_is_reported(
    arguments: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        preflight.check(pipeline_options(arguments))


def test_a_missing_dataflow_client_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.dataflow", None)
    with pytest.raises(UsageError, match=re.escape(f"Run `{install_command('dataflow')}`")):
        preflight.check(pipeline_options(_DATAFLOW))


def test_missing_dataflow_credentials_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with pytest.raises(UsageError, match="this machine has no credentials for Google Cloud"):
        preflight.check(pipeline_options(_DATAFLOW))


@contextmanager
def _flink(version: str, task_managers: int) -> Iterator[str]:
    """Run a server that responds like a Flink of this version and size."""
    answers = {
        "/config": {"flink-version": version},
        "/overview": {"taskmanagers": task_managers},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answers[self.path]).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"--flink_master=localhost:{server.server_port}"
        server.shutdown()
        thread.join()
