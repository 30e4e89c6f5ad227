"""Everything that imagebeam uses of Beam beyond its documented interface.

What only saves time is in `beam_speed`.

Each use states its reason, checks that Beam still has the expected shape, and says under "Upstream"
which change of Beam would make it unnecessary. If the shape has changed, a use that prevents lost
data raises `UnsupportedBeamError`, and any other use warns and does without.
"""

import argparse
import shlex
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apache_beam
import grpc
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner, worker_handlers
from apache_beam.runners.portability.job_server import JobServer
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.runner import PipelineResult
from apache_beam.runners.worker import sdk_worker_main
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from imagebeam import child_process
from imagebeam.errors import ImagebeamError

_BUFFER_LIMIT = "DATA_BUFFER_TIME_LIMIT_MS"


class UnsupportedBeamError(ImagebeamError):
    """The installed Beam lacks something without which data could be lost."""


def local_runner(handlers: Any = worker_handlers) -> FnApiRunner:
    """Return a local runner that loses no elements between two steps.

    Every second, a background thread of each worker sends the buffered output and clears the
    buffer, while worker threads write to it. `TimeBasedBufferingClosableOutputStream.flush` holds a
    lock that the writes do not take, so elements that are written in between are lost or torn.
    A limit of 0 removes that thread: a worker thread then sends its output between two elements,
    every 10 MB. A job with `direct_num_workers=2`, `multi_threading`, and a ParDo that emits for
    several seconds before a GroupByKey shows the loss with Beam 2.77.0.

    Upstream: take the lock when writing, or swap the buffer instead of clearing it.

    Args:
        handlers: the module of Beam that starts local workers.

    Raises:
        UnsupportedBeamError: Beam has no such limit, so elements could be lost.
    """
    if type(getattr(handlers, _BUFFER_LIMIT, None)) is not int:
        raise UnsupportedBeamError(
            f"apache-beam {apache_beam.__version__}: local jobs could lose elements, because "
            f"worker_handlers.{_BUFFER_LIMIT} is missing. Run `pip install 'apache-beam==2.77.*'`."
        )
    setattr(handlers, _BUFFER_LIMIT, 0)
    return _LocalRunner()


class _LocalRunner(FnApiRunner):
    """Starts worker processes that end with this process.

    Beam's workers notice the end of the process that started them when a connection to it breaks.
    Those that have no connection yet live on for up to six minutes.

    Upstream: start workers with PR_SET_PDEATHSIG on Linux.
    """

    def run_pipeline(
        self, pipeline: apache_beam.Pipeline, options: PipelineOptions
    ) -> PipelineResult:
        """Run a pipeline, like the runner of Beam."""
        direct = options.view_as(DirectOptions)
        if direct.direct_running_mode != "multi_processing":
            return super().run_pipeline(pipeline, options)
        worker = child_process.ended_with_parent([sys.executable, "-m", sdk_worker_main.__name__])
        # The shell that Beam runs it with must not stand between it and this process.
        environment = SubprocessSDKEnvironment.from_command_string(f"exec {shlex.join(worker)}")
        # Beam's own command would replace the environment in this mode.
        direct.direct_running_mode = None
        return FnApiRunner(environment).run_pipeline(pipeline, options)


@contextmanager
def ended_workers() -> Iterator[list[str]]:
    """Yield a list that will contain why worker processes of a local runner have ended.

    With it, the job ends at once. Beam waits for ever for a worker that is killed before it has a
    connection: the `RuntimeError` of `SubprocessSdkWorker.run` ends the thread of the worker and
    nothing else.

    Upstream: abort the control connection that the worker should have made.
    """
    reasons: list[str] = []
    before = threading.excepthook

    def record(unhandled: threading.ExceptHookArgs) -> None:
        if unhandled.thread is not None and unhandled.thread.name == _WORKER_THREAD:
            reasons.append(str(unhandled.exc_value))
        else:
            before(unhandled)

    threading.excepthook = record
    try:
        yield reasons
    finally:
        if threading.excepthook is record:
            threading.excepthook = before


def hide_lost_connections() -> None:
    """Show no trace of the connections that workers in this process lose after the job broke.

    With it, one message says why the job broke. The threads of Beam that read from an engine
    (`GrpcStateHandler.pull_responses`, `_GrpcDataChannel._read_inputs`) end with an exception that
    no code handles, at any moment until this process ends.

    Upstream: log it as the control connection does.
    """
    before = threading.excepthook

    def show(unhandled: threading.ExceptHookArgs) -> None:
        if not isinstance(unhandled.exc_value, grpc.RpcError):
            before(unhandled)

    threading.excepthook = show


_WORKER_THREAD = "run_worker"


def option_parser() -> argparse.ArgumentParser:
    """Return a parser of all groups of Beam's options.

    A misspelt option must stop the job, but Beam only logs and ignores it.

    Upstream: add a strict mode of PipelineOptions that rejects unknown options.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for group in PipelineOptions.__subclasses__():
        add = getattr(group, "_add_argparse_args", None)
        if add is None:
            warn_missing(
                f"{group.__name__}._add_argparse_args", "Its options are taken as unknown."
            )
            continue
        add(parser)
    return parser


def portable_job_id(result: Any) -> str | None:
    """Return the id of a job on a job server; None if the result has none.

    A later run cancels the job by its id.

    Upstream: add `job_id()` to the result of PortableRunner, as the result of DataflowRunner has.
    """
    job = getattr(result, "_job_id", None)
    return job if isinstance(job, str) else None


def recorded_job_servers(runner: Any) -> list[JobServer]:
    """Return a list that will contain the job servers that a runner starts.

    The caller stops them with the job, and they end with this process if that is killed. Beam
    leaves them running until this process exits, and for good if it is killed.

    Upstream: stop the server with its pipeline, and start it with PR_SET_PDEATHSIG on Linux.
    """
    servers: list[JobServer] = []
    if not isinstance(runner, PortableRunner):
        return servers
    start = getattr(runner, "default_job_server", None)
    if not callable(start):
        warn_missing(
            "PortableRunner.default_job_server", "Job servers run until this process exits."
        )
        return servers

    def recorded(options: PipelineOptions) -> JobServer:
        server = start(options)
        _end_with_this_process(getattr(server, "_job_server", server))
        servers.append(server)
        return server

    runner.default_job_server = recorded
    return servers


def _end_with_this_process(server: Any) -> None:
    """Let the program of a job server end when this process does; others have no program."""
    start_command = getattr(server, "subprocess_cmd_and_endpoint", None)
    if not callable(start_command):
        return

    def ended_with_parent() -> tuple[Sequence[str], str]:
        words, endpoint = start_command()
        return child_process.ended_with_parent([*map(str, words)]), endpoint

    server.subprocess_cmd_and_endpoint = ended_with_parent


def warn_missing(name: str, consequence: str) -> None:
    """Warn that the installed Beam lacks what a use relies on."""
    warnings.warn(
        f"apache-beam {apache_beam.__version__} has no {name} of the expected shape. {consequence}",
        stacklevel=3,
    )
