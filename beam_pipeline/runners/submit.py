"""Submit a job to workers on other machines or in other processes."""

import importlib
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.runners.runner import PipelineResult, create_runner

from imagebeam.beam_pipeline.exit_codes import BrokenJobError, UsageError
from imagebeam.beam_pipeline.runners import dataflow, failure_messages, preflight, remote_jobs
from imagebeam.beam_pipeline.runners.beam_internals import recorded_job_servers
from imagebeam.beam_pipeline.runners.worker_package import build_wheel
from imagebeam.images import uris
from imagebeam.images.listing.inputs import STDIN
from imagebeam.outputs.run_token import RunToken

_LONGEST_JOB_SECONDS = 90 * 24 * 3600


def check_paths_visible_to_workers(options: PipelineOptions, names: Iterable[str]) -> None:
    """Check that workers can read the inputs and write the output.

    Raises:
        UsageError: one of the names is a file of this machine, and workers do not share its disk.
    """
    if preflight.sees_this_disk(options):
        return
    for name in names:
        # Standard input is copied to the output.
        if name != STDIN and uris.scheme(name) == "file":
            raise UsageError(
                f"{name}: the workers of {preflight.runner_name(options)} cannot read this local "
                "path. Use gs://, s3:// or http(s)://; or mount the folder under the same path on "
                "this machine and on all workers, and add --shared-disk."
            )


@contextmanager
def submitted(
    build: Callable[[beam.Pipeline], Any], options: PipelineOptions, run: RunToken
) -> Iterator[PipelineResult]:
    """Submit a pipeline and yield its result; an error in the block cancels the job.

    The run token in the output records where the job runs. A job server that Beam starts for the
    job stops with the block. Call this in the main thread, because Beam sets a handler for Ctrl-C.

    Raises:
        BrokenJobError: the job was not accepted.
    """
    runner = create_runner(options.view_as(StandardOptions).runner)
    servers = recorded_job_servers(runner)
    interrupt_handler = signal.getsignal(signal.SIGINT)
    try:
        try:
            with _worker_package(options, run):
                pipeline = beam.Pipeline(runner, options=options)
                build(pipeline)
                if options.view_as(WorkerOptions).sdk_container_image:
                    _check_image(pipeline)
                result = pipeline.run()
        # The service, its client and downloads by Beam raise errors without a common type.
        except Exception as error:
            raise BrokenJobError(
                f"the job could not be submitted: {failure_messages.explain(error)}"
            ) from error
        # On Ctrl-C Beam would stop the job server, without which the job cannot be cancelled.
        signal.signal(signal.SIGINT, interrupt_handler)
        handle = remote_jobs.job_handle(options, result)
        try:
            run.at(handle).claim()
            yield result
        except BaseException:
            # Beam's client would poll Dataflow for minutes.
            if not remote_jobs.cancel(handle, options) and "dataflow" not in handle:
                with suppress(Exception):
                    result.cancel()
            raise
    finally:
        for server in servers:
            server.stop()


def _check_image(pipeline: beam.Pipeline) -> None:
    """Add a step that imports our package, which the image of the workers should contain.

    A worker that cannot unpickle a step reports nothing to Flink, which then waits for minutes.
    Every worker can unpickle this step, because it contains nothing from our package.
    """
    names = pipeline | "PackageName" >> beam.Create(["imagebeam.transforms"])
    # A module is true, so the filter passes the name on.
    _ = names | "ImportPackage" >> beam.Filter(importlib.import_module)


@contextmanager
def _worker_package(options: PipelineOptions, run: RunToken) -> Iterator[None]:
    """Complete the options so that workers install our package; keep it until submission.

    An image that --sdk_container_image names contains the package already.
    """
    cloud = options.view_as(GoogleCloudOptions)
    cloud.job_name = cloud.job_name or f"imagebeam-{run.id}"
    # Beam would send the output of `pip freeze`: local paths, and URLs that may contain tokens.
    options.view_as(DebugOptions).add_experiment("disable_logging_submission_environment")
    portable = options.view_as(PortableOptions)
    # Beam uses this as the deadline of the whole stream of job states.
    portable.job_server_timeout = max(portable.job_server_timeout, _LONGEST_JOB_SECONDS)
    if (
        not preflight.runs_in_other_processes(options)
        or options.view_as(WorkerOptions).sdk_container_image
    ):
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        setup = options.view_as(SetupOptions)
        if not setup.setup_file:
            wheel = build_wheel(Path(folder))
            # Dataflow shows the options of a job, so they should not contain a local path.
            on_dataflow = preflight.runner_name(options) == "dataflow"
            package = dataflow.stage(wheel, options) if on_dataflow else str(wheel)
            setup.extra_packages = [*(setup.extra_packages or ()), package]
        yield
