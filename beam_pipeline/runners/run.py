"""Runs the job on Beam's runners while somebody watches."""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, NoReturn

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from imagebeam import stderr_redirection
from imagebeam.beam_pipeline.exit_codes import BROKEN, FAILED, INTERRUPTED, BrokenJobError
from imagebeam.beam_pipeline.pipeline import Job, build
from imagebeam.beam_pipeline.reporting.job_log import JobLog, job_log
from imagebeam.beam_pipeline.reporting.reporter import JobReporter
from imagebeam.beam_pipeline.runners import failure_messages, preflight
from imagebeam.beam_pipeline.runners.beam_internals import local_runner
from imagebeam.beam_pipeline.runners.quick_pickles import quick_pickles
from imagebeam.beam_pipeline.runners.quick_specs import quick_specs
from imagebeam.beam_pipeline.runners.remote_jobs import RemoteErrorPoller
from imagebeam.beam_pipeline.runners.submit import submitted
from imagebeam.beam_pipeline.runners.watchdog import (
    AbortLimits,
    StalledError,
    TooManyFailuresError,
    Watchdog,
)
from imagebeam.images.reading.reader import close_shared_reader, shared_reader
from imagebeam.outputs.account import read_summary
from imagebeam.outputs.layout import remove_temporaries
from imagebeam.outputs.progress import Progress, ProgressWatcher
from imagebeam.outputs.writers import Writers

_LOOK_SECONDS = 0.25
_PAUSE_PER_LOOK = 50
_LONGEST_PAUSE = 30.0


def run(
    job: Job, options: PipelineOptions, limits: AbortLimits, reporter: JobReporter, debug: bool
) -> dict[str, Any]:
    """Run the job to its end; the summary. A job that leads nowhere ends this process.

    Raises:
        BrokenJobError: the runner gave up.
    """
    guard = Watchdog(limits)
    watch = ProgressWatcher(job.layout)
    complaints = RemoteErrorPoller(job.layout, options)
    try:
        with (
            job_log(job.layout) as log,
            stderr_redirection.redirect_library_stderr(log.file, debug) as stderr,
            reporter.progress(stderr) as show,
            _started(job, options) as work,
        ):
            pause = _LOOK_SECONDS
            now = Progress(None, 0, {})
            while work.is_alive():
                work.join(pause)
                start = time.monotonic()
                # A store that cannot be asked now may be later; the guard's patience has an end.
                with suppress(ConnectionError):
                    now = watch.look()
                    show(now)
                # A folder of many thousand parts takes its time to list, and a store any folder.
                looked = _PAUSE_PER_LOOK * (time.monotonic() - start)
                pause = min(max(_LOOK_SECONDS, looked), _LONGEST_PAUSE)
                _check(guard, now, log)
                complaints.check()
    except KeyboardInterrupt:
        reporter.report_stopped("stopped", job.layout)
        _stop_at_once(job, INTERRUPTED)
    except TooManyFailuresError as error:
        reporter.report_stopped(f"{error}, more than --max-failure-rate accepts", job.layout)
        _stop_at_once(job, FAILED)
    except StalledError as error:
        reporter.report_stopped(
            f"{error}; what each thread was doing is in {log.place}", job.layout
        )
        _stop_at_once(job, BROKEN)
    close_shared_reader()
    if work.error is None:
        return read_summary(job.layout)
    if debug:
        raise work.error
    raise BrokenJobError(
        f"the job broke: {failure_messages.explain(work.error)} Then run the same command again: "
        f"it does what is missing. All messages are in {log.place}."
    ) from work.error


def _check(guard: Watchdog, now: Progress, log: JobLog) -> None:
    try:
        guard.check(now)
    except StalledError:
        with log.file.open("a") as file:
            faulthandler.dump_traceback(file, all_threads=True)
        raise


def detach(job: Job, options: PipelineOptions, debug: bool) -> None:
    """Submit the job and leave it to its cluster.

    Raises:
        BrokenJobError: it was not taken.
    """
    with (
        job_log(job.layout) as log,
        stderr_redirection.redirect_library_stderr(log.file, debug),
        submitted(lambda pipeline: build(pipeline, job), options, job.run),
    ):
        pass


class _Work(threading.Thread):
    """The pipeline, beside the main thread, which Ctrl-C reaches."""

    def __init__(self, begin: Callable[[], PipelineResult]) -> None:
        super().__init__(name="pipeline", daemon=True)
        self._begin = begin
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            state = self._begin().wait_until_finish()
            if state not in (None, PipelineState.DONE):
                raise BrokenJobError(f"the runner reports {state}")
        # The runner's errors have no common type; the main thread tells them apart.
        except Exception as error:
            self.error = error


@contextmanager
def _started(job: Job, options: PipelineOptions) -> Iterator[_Work]:
    """The job at work, here or where the options say."""
    if not preflight.is_direct(options):
        with submitted(lambda pipeline: build(pipeline, job), options, job.run) as result:
            work = _Work(lambda: result)
            work.start()
            yield work
        return
    alone = options.view_as(DirectOptions).direct_running_mode != "multi_processing"
    if alone:
        # They start beside Beam, which takes a second to get to the first shard.
        shared_reader(
            job.preprocessing, job.decode_processes, job.decode_limits, job.access
        ).start()

    def begin() -> PipelineResult:
        with quick_specs(), quick_pickles() if alone else nullcontext():
            pipeline = beam.Pipeline(local_runner(), options=options)
            build(pipeline, job)
            return pipeline.run()

    work = _Work(begin)
    work.start()
    yield work


def _stop_at_once(job: Job, code: int) -> NoReturn:
    """End the process without waiting for threads; parts appear whole or not at all."""
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of this process write parts until its very end, and would leave one half written.
    Writers(job.layout).end()
    remove_temporaries(job.layout)
    os._exit(code)
