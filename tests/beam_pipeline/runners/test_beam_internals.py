"""Test everything that imagebeam uses of Beam beyond its documented interface.

Each use has a canary, which fails when Beam changes what the use relies on, and a test that
removes what it relies on and expects the warning or the refusal.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apache_beam as beam
import grpc
import psutil
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability import portable_runner
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.portability.job_server import StopOnExitJobServer, SubprocessJobServer
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.worker import data_plane, sdk_worker_main

from imagebeam import child_process
from imagebeam.beam_pipeline.runners.beam_internals import (
    UnsupportedBeamError,
    ended_workers,
    hide_lost_connections,
    local_runner,
    option_parser,
    portable_job_id,
    recorded_job_servers,
)

_SECONDS = 2.5


def _numbers(source: int, folder: Path) -> Iterator[tuple[int, int]]:
    """Enough lines for some seconds, so that a buffer that is sent by the clock is sent twice."""
    end, count = time.monotonic() + _SECONDS, 0
    while time.monotonic() < end:
        yield source, count
        count += 1
        sum(range(200))
    (folder / str(source)).write_text(str(count))


def _missing(group: tuple[int, Iterable[int]], folder: Path) -> tuple[int, int]:
    source, numbers = group
    count = int((folder / str(source)).read_text())
    return source, len(set(range(count)) - set(numbers))


@pytest.fixture
def hasty() -> Iterator[None]:
    """Let threads alternate as often as possible, so that a race between two lines occurs."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
def test_no_element_that_two_threads_write_is_lost(tmp_path: Path) -> None:
    options = PipelineOptions(direct_num_workers=2, direct_running_mode="multi_threading")
    with beam.Pipeline(local_runner(), options=options) as pipeline:
        missing = (
            pipeline
            | beam.Create([0, 1])
            | beam.FlatMap(_numbers, tmp_path)
            | beam.GroupByKey()
            | beam.Map(_missing, tmp_path)
        )
        _ = missing | beam.Map(lambda pair: (tmp_path / f"m{pair[0]}").write_text(str(pair[1])))
    assert [int((tmp_path / f"m{source}").read_text()) for source in (0, 1)] == [0, 0]


def test_local_workers_send_their_output_without_a_background_thread() -> None:
    """Check that the limit reaches the buffer, and that 0 chooses the buffer without a thread."""
    assert type(worker_handlers.DATA_BUFFER_TIME_LIMIT_MS) is int
    local_runner()
    assert worker_handlers.DATA_BUFFER_TIME_LIMIT_MS == 0
    stream = data_plane.ClosableOutputStream.create(
        lambda data: None, lambda data: None, worker_handlers.DATA_BUFFER_TIME_LIMIT_MS
    )
    assert type(stream) is data_plane.SizeBasedBufferingClosableOutputStream
    source = Path(worker_handlers.__file__).read_text(encoding="utf-8")
    # The definition, and the two kinds of workers that read it.
    assert source.count("DATA_BUFFER_TIME_LIMIT_MS") == 3


@pytest.mark.parametrize(
    "handlers", [SimpleNamespace(), SimpleNamespace(DATA_BUFFER_TIME_LIMIT_MS="1s")]
)
def test_a_beam_without_the_limit_is_refused(handlers: Any) -> None:
    with pytest.raises(UnsupportedBeamError, match="local jobs could lose elements"):
        local_runner(handlers)


def _parents(_: int) -> list[str]:
    """Return the command that started this worker, and the id of the process above it."""
    return [*psutil.Process().cmdline()[1:3], str(os.getppid())]


@pytest.mark.slow
def test_worker_processes_stand_directly_below_the_process_that_starts_them(
    tmp_path: Path,
) -> None:
    options = PipelineOptions(direct_num_workers=2, direct_running_mode="multi_processing")
    with beam.Pipeline(local_runner(), options=options) as pipeline:
        found = pipeline | beam.Create([0]) | beam.Map(_parents)
        _ = found | beam.Map(lambda words: (tmp_path / "found").write_text(" ".join(words)))
    assert (tmp_path / "found").read_text() == f"-m {sdk_worker_main.__name__} {os.getpid()}"


def test_an_exception_of_another_thread_is_left_to_the_hook_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda each: seen.append(str(each.exc_value)))
    with ended_workers() as ended:
        thread = threading.Thread(target=lambda: next(iter(())), name="other")
        thread.start()
        thread.join()
    assert (ended, seen) == ([], [""])


def test_only_lost_connections_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: Exception) -> None:
        raise error

    seen: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda each: seen.append(str(each.exc_value)))
    with ended_workers():
        hide_lost_connections()
    for error in (grpc.RpcError("gone"), ValueError("odd")):
        thread = threading.Thread(target=fail, args=(error,))
        thread.start()
        thread.join()
    assert seen == ["odd"]


def test_an_option_that_no_group_declares_is_found() -> None:
    arguments = ["--runner=FlinkRunner", "--flink_master=host:1", "--flink_mister=host:1"]
    _, unknown = option_parser().parse_known_args(arguments)
    assert unknown == ["--flink_mister=host:1"]


def test_a_job_on_a_job_server_has_an_id() -> None:
    result = portable_runner.PipelineResult(None, "job-1", None, None, None)
    assert portable_job_id(result) == "job-1"
    assert portable_job_id(object()) is None


class _Server:
    def __init__(self, options: PipelineOptions) -> None:
        self.options = options


class _Runner(PortableRunner):
    def default_job_server(self, options: PipelineOptions) -> _Server:
        return _Server(options)


def test_the_job_servers_that_a_runner_starts_are_recorded() -> None:
    runner = _Runner()
    servers = recorded_job_servers(runner)
    assert servers == []
    options = PipelineOptions()
    assert runner.default_job_server(options) is servers[0]
    assert servers[0].options is options
    assert recorded_job_servers(object()) == []
    assert callable(StopOnExitJobServer.stop)


class _Program(SubprocessJobServer):
    def subprocess_cmd_and_endpoint(self) -> tuple[list[object], str]:
        return ["echo", 8099], "localhost:8099"


class _Starter(PortableRunner):
    def default_job_server(self, options: PipelineOptions) -> StopOnExitJobServer:
        return StopOnExitJobServer(_Program())


def test_the_program_of_a_job_server_runs_through_one_that_ends_it() -> None:
    runner = _Starter()
    recorded_job_servers(runner)
    server = runner.default_job_server(PipelineOptions())
    words, endpoint = server._job_server.subprocess_cmd_and_endpoint()
    assert endpoint == "localhost:8099"
    assert words == child_process.ended_with_parent(["echo", "8099"])
    assert subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout == b"8099\n"
