"""Hands a job to workers elsewhere: what they run, and whether they see the files."""

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
from apache_beam.runners.portability.job_server import JobServer
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.runner import PipelineResult, create_runner

from imagebeam.beam_pipeline.exit_codes import BrokenJobError, UsageError
from imagebeam.beam_pipeline.runners import dataflow, failure_messages, preflight, remote_jobs
from imagebeam.beam_pipeline.runners.worker_package import build_wheel
from imagebeam.images import uris
from imagebeam.images.listing.inputs import STDIN
from imagebeam.outputs.run_token import RunToken

_LONGEST_JOB_SECONDS = 90 * 24 * 3600


def check_paths_visible_to_workers(options: PipelineOptions, names: Iterable[str]) -> None:
    """See that workers can read the inputs and write the output.

    Raises:
        UsageError: one of the names is a file of this machine, and workers are elsewhere.
    """
    if preflight.sees_this_disk(options):
        return
    for name in names:
        # Standard input is copied into the output.
        if name != STDIN and uris.scheme(name) == "file":
            raise UsageError(
                f"{name}: a local name, which the workers of {preflight.runner_name(options)} do "
                "not see. Use gs://, s3:// or http(s)://; or mount the folder under the same "
                "name on this machine and on all workers, and add --shared-disk."
            )


@contextmanager
def submitted(
    build: Callable[[beam.Pipeline], Any], options: PipelineOptions, run: RunToken
) -> Iterator[PipelineResult]:
    """The pipeline at work elsewhere; whoever leaves the block by an error cancels it.

    The run leaves word of where that is. A job server that Beam starts for it ends with the
    block. Call it in the main thread: there Beam sets what follows Ctrl-C.

    Raises:
        BrokenJobError: it was not taken.
    """
    runner = create_runner(options.view_as(StandardOptions).runner)
    servers = _servers_of(runner)
    interrupted = signal.getsignal(signal.SIGINT)
    try:
        try:
            with _shipped(options, run):
                pipeline = beam.Pipeline(runner, options=options)
                build(pipeline)
                if options.view_as(WorkerOptions).sdk_container_image:
                    _look_for_package(pipeline)
                result = pipeline.run()
        # Whatever the service, its client or a download of Beam's raises.
        except Exception as error:
            raise BrokenJobError(
                f"the job could not be submitted: {failure_messages.explain(error)}"
            ) from error
        # Beam would stop the job server, through which alone the job can be cancelled.
        signal.signal(signal.SIGINT, interrupted)
        place = remote_jobs.job_handle(options, result)
        try:
            run.at(place).claim()
            yield result
        except BaseException:
            # Beam's client would go on asking Dataflow for minutes.
            if not remote_jobs.cancel(place, options) and "dataflow" not in place:
                with suppress(Exception):
                    result.cancel()
            raise
    finally:
        for server in servers:
            server.stop()


def _look_for_package(pipeline: beam.Pipeline) -> None:
    """Have a worker import the package that its image should hold.

    A worker that cannot even read its steps says nothing to Flink, which waits for minutes. It
    can read these: no part of them is ours.
    """
    names = pipeline | "Name the package" >> beam.Create(["transforms"])
    # A module is true, and so its name passes on.
    _ = names | "Look for it" >> beam.Filter(importlib.import_module)


def _servers_of(runner: Any) -> list[JobServer]:
    """The job servers that a runner starts, as it starts them."""
    servers: list[JobServer] = []
    if isinstance(runner, PortableRunner):
        make = runner.default_job_server

        def remembered(options: PipelineOptions) -> JobServer:
            servers.append(make(options))
            return servers[-1]

        runner.default_job_server = remembered
    return servers


@contextmanager
def _shipped(options: PipelineOptions, run: RunToken) -> Iterator[None]:
    """Complete the options, so that workers elsewhere get our package; hold it until submitted.

    Where --sdk_container_image names their image, it holds the package already.
    """
    cloud = options.view_as(GoogleCloudOptions)
    cloud.job_name = cloud.job_name or f"imagebeam-{run.id}"
    # Beam would send along what pip knows of this machine: paths, and addresses that hold tokens.
    options.view_as(DebugOptions).add_experiment("disable_logging_submission_environment")
    portable = options.view_as(PortableOptions)
    # Beam ends the stream of a job's states by the time that it gives a job server to answer.
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
            # Dataflow shows a job's options to all who may see the job.
            elsewhere = preflight.runner_name(options) == "dataflow"
            package = dataflow.stage(wheel, options) if elsewhere else str(wheel)
            setup.extra_packages = [*(setup.extra_packages or ()), package]
        yield
