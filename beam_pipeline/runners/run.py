"""Run the job on one of Beam's runners and watch its progress."""

import errno
import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, NoReturn

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, TypeOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from imagebeam import stderr_redirection
from imagebeam.beam_pipeline.exit_codes import (
    BROKEN,
    FAILED,
    INTERRUPTED,
    BrokenJobError,
    UsageError,
)
from imagebeam.beam_pipeline.pipeline import Job, build, decoding
from imagebeam.beam_pipeline.reporting.job_log import JobLog, job_log, own_warnings
from imagebeam.beam_pipeline.reporting.progress import byte_text
from imagebeam.beam_pipeline.reporting.reporter import JobReporter
from imagebeam.beam_pipeline.runners import failure_messages, preflight, remote_jobs
from imagebeam.beam_pipeline.runners.beam_internals import (
    ended_workers,
    hide_lost_connections,
    local_runner,
)
from imagebeam.beam_pipeline.runners.beam_speed import (
    remember_dofn_specs,
    shorten_bundle_ends,
    uncompressed_pickles,
)
from imagebeam.beam_pipeline.runners.submit import submitted
from imagebeam.beam_pipeline.runners.watchdog import (
    AbortLimits,
    StalledError,
    TooManyFailuresError,
    Watchdog,
)
from imagebeam.images.stage_times import StageTimes
from imagebeam.outputs.errors import DamagedPartError
from imagebeam.outputs.layout import remove_temporaries
from imagebeam.outputs.progress import Progress, ProgressWatcher, bytes_needed
from imagebeam.outputs.summary import read_summary
from imagebeam.outputs.writers import Writers

_LOOK_SECONDS = 1.0
_PAUSE_PER_LOOK = 50
_LONGEST_PAUSE = 30.0


def run(
    job: Job,
    options: PipelineOptions,
    startup_times: StageTimes,
    limits: AbortLimits,
    reporter: JobReporter,
    debug: bool,
) -> dict[str, Any]:
    """Run the job to its end and return the summary; a job that is aborted ends this process.

    Args:
        job: the job to run.
        options: those of Beam.
        startup_times: spent before the pipeline.
        limits: beyond which the job is aborted.
        reporter: shows progress.
        debug: show the messages of libraries, and raise the errors of the runner.

    Raises:
        BrokenJobError: the runner gave up.
        UsageError: no image can be decoded here, or the output holds a file that cannot be used.
    """
    watchdog = Watchdog(limits)
    watcher = ProgressWatcher(job.layout)
    remote_errors = remote_jobs.RemoteErrorPoller(job.layout, options)
    try:
        with (
            own_warnings(reporter.report_warning),
            job_log(job.layout) as log,
            stderr_redirection.redirect_library_stderr(log.file, debug) as stderr,
            reporter.progress(stderr) as show,
            ended_workers() as ended,
            _started(job, options, startup_times) as pipeline_thread,
        ):
            pause = _LOOK_SECONDS
            progress = Progress(None, 0, {})
            while pipeline_thread.is_alive():
                pipeline_thread.join(pause)
                start = time.monotonic()
                # A store that cannot be reached may be reachable later; the watchdog has a limit. A
                # file that another program damages hides the progress, and does not end the job.
                with suppress(ConnectionError, ValueError):
                    progress = watcher.look()
                    show(progress)
                # Listing thousands of parts, or any folder in a store, takes time.
                looked = _PAUSE_PER_LOOK * (time.monotonic() - start)
                pause = min(max(_LOOK_SECONDS, looked), _LONGEST_PAUSE)
                _check(watchdog, progress, log)
                if ended and pipeline_thread.is_alive():
                    raise _WorkerEndedError(ended[0])
                remote_errors.check()
            if pipeline_thread.error is not None and not debug and not preflight.is_direct(options):
                _silence_workers()
    except KeyboardInterrupt:
        reporter.report_stopped("stopped", job.layout)
        _exit_now(job, INTERRUPTED)
    except TooManyFailuresError as error:
        reporter.report_stopped(f"{error}, more than --max-failure-rate accepts", job.layout)
        _exit_now(job, FAILED)
    except StalledError as error:
        reporter.report_stopped(f"{error}; the stack of each thread is in {log.place}", job.layout)
        _exit_now(job, BROKEN)
    except _WorkerEndedError as error:
        reason = f"a worker process ended ({error}); all messages are in {log.place}"
        reporter.report_stopped(reason, job.layout)
        _exit_now(job, BROKEN)
    if pipeline_thread.error is None:
        return read_summary(job.layout)
    if debug:
        raise pipeline_thread.error
    if not progress.done and (nothing := failure_messages.of_user(pipeline_thread.error)):
        raise UsageError(nothing)
    reason = failure_messages.explain(pipeline_thread.error)
    if os.strerror(errno.ENOSPC) in reason:
        reason = f"{reason.removesuffix(' Remove the cause.')} {_space_to_free(job)}"
    raise BrokenJobError(
        f"the job broke: {reason} Then run the same command again: it resumes. All messages are "
        f"in {log.place}."
    ) from pipeline_thread.error


class _WorkerEndedError(Exception):
    """A worker process on this machine was killed or crashed; says which exit code it had."""


def _silence_workers() -> None:
    """Show nothing more of workers in this process, which may fail until it has ended."""
    hide_lost_connections()
    beam_log = logging.getLogger("apache_beam")
    beam_log.addHandler(logging.NullHandler())
    beam_log.propagate = False


def _space_to_free(job: Job) -> str:
    needed = None
    # The estimate reads the output, whose disk is full or whose parts may be damaged.
    with suppress(OSError, ValueError, DamagedPartError):
        needed = bytes_needed(job.layout)
    if needed is None:
        return "Free disk space."
    return f"Free disk space: the missing rows need about {byte_text(needed)}."


def _check(watchdog: Watchdog, progress: Progress, log: JobLog) -> None:
    try:
        watchdog.check(progress)
    except StalledError:
        with log.file.open("a") as file:
            faulthandler.dump_traceback(file, all_threads=True)
        raise


def detach(job: Job, options: PipelineOptions, startup_times: StageTimes, debug: bool) -> None:
    """Submit the job and leave it to its cluster.

    Raises:
        BrokenJobError: the job was not accepted.
    """
    with (
        job_log(job.layout) as log,
        stderr_redirection.redirect_library_stderr(log.file, debug),
        submitted(lambda pipeline: build(pipeline, job, startup_times), options, job.run),
    ):
        pass


class _PipelineThread(threading.Thread):
    """Runs the pipeline beside the main thread, which receives Ctrl-C."""

    def __init__(self, start_pipeline: Callable[[], PipelineResult]) -> None:
        super().__init__(name="pipeline", daemon=True)
        self._start_pipeline = start_pipeline
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            state = self._start_pipeline().wait_until_finish()
            if state not in (None, PipelineState.DONE):
                raise BrokenJobError(f"the runner reports {state}")
        # Errors of runners have no common type; the main thread explains them.
        except Exception as error:
            self.error = error


@contextmanager
def _started(
    job: Job, options: PipelineOptions, startup_times: StageTimes
) -> Iterator[_PipelineThread]:
    """Start the job on the runner that the options name."""
    if not preflight.is_direct(options):
        with submitted(
            lambda pipeline: build(pipeline, job, startup_times), options, job.run
        ) as result:
            thread = _PipelineThread(lambda: result)
            thread.start()
            yield thread
            if thread.error is not None:
                # The job itself may continue if only the connection to it was lost.
                remote_jobs.cancel(remote_jobs.job_handle(options, result), options)
        return

    def start_pipeline() -> PipelineResult:
        remember_dofn_specs()
        shorten_bundle_ends()
        # All types of elements are classes. Importing beartype to compare them would take 0.04 s.
        options.view_as(TypeOptions).disable_beartype = True
        decode = decoding(job)
        in_process = job.worker_cores is None
        # A job that has rows already may have nothing left to decode.
        early = in_process and not any(job.layout.prediction_parts())
        with (
            uncompressed_pickles() if in_process else nullcontext(),
            decode.started() if early else nullcontext(),
        ):
            pipeline = beam.Pipeline(local_runner(), options=options)
            build(pipeline, job, startup_times, decode)
            return pipeline.run()

    thread = _PipelineThread(start_pipeline)
    thread.start()
    yield thread


def _exit_now(job: Job, code: int) -> NoReturn:
    """End the process without waiting for its threads; parts are written whole or not at all."""
    sys.stdout.flush()
    sys.stderr.flush()
    # The threads of this process write parts until it ends, and would leave one half written.
    Writers(job.layout).end()
    remove_temporaries(job.layout)
    os._exit(code)
