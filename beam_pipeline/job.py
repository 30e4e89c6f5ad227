"""The command `label` in two halves: `plan` checks everything, `run` runs the job."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from imagebeam import resources, stderr_redirection
from imagebeam.beam_pipeline import job_identity, job_module, job_sources
from imagebeam.beam_pipeline.exit_codes import DONE, FAILED
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.beam_pipeline.pipeline import Job
from imagebeam.beam_pipeline.reporting import console
from imagebeam.beam_pipeline.reporting.reporter import JobReporter
from imagebeam.beam_pipeline.runners import beam_options, preflight, remote_jobs, submit, watchdog
from imagebeam.beam_pipeline.runners import run as runner
from imagebeam.images.stage_times import Stopwatch
from imagebeam.modules import staging
from imagebeam.modules.handles.download import Progress
from imagebeam.modules.types import Module
from imagebeam.outputs import identity, lock, parts
from imagebeam.outputs.changed import forget_changed
from imagebeam.outputs.files import remove, whole_file
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.provenance import JOB
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import PredictionSchema


@dataclass(frozen=True)
class PreparedJob:
    """A job that passed all checks and has not touched its output yet.

    Attributes:
        job: what the workers need to know.
        options: as the user gave them.
        pipeline_options: those of Beam.
        module: opened on this machine.
        packed_module: its file, as workers load it.
        identity: what makes two runs into one output the same job.
        stdin_copy: what came in on standard input; None if it is not an input.
        warnings: what the user should know before trusting the labels.
    """

    job: Job
    options: LabelOptions
    pipeline_options: PipelineOptions
    module: Module
    packed_module: bytes
    identity: Mapping[str, Any]
    stdin_copy: Path | None
    warnings: Sequence[str]


def label(
    options: LabelOptions, reporter: JobReporter = console, watch: Stopwatch | None = None
) -> int:
    """Label what the options name; return the exit code. The watch was started with the command."""
    watch = watch or Stopwatch()
    with job_sources.stdin_copy(options) as stdin_copy:
        with reporter.fetching(sys.stderr) as progress:
            prepared = plan(options, stdin_copy, progress)
        for warning in prepared.warnings:
            reporter.report_warning(warning)
        return run(prepared, reporter, watch)


def plan(
    options: LabelOptions, stdin_copy: Path | None = None, progress: Progress | None = None
) -> PreparedJob:
    """Check the options, inputs, module and runner, and prepare the job; write no output.

    Args:
        stdin_copy: a file with what came in on standard input, if that is an input.
        progress: shows the download of a module.

    Raises:
        ImagebeamError: something is wrong with them, or the runner does not answer.
    """
    pipeline_options = beam_options.pipeline_options(options.beam_args)
    _check_runner(options, pipeline_options)
    layout = Layout(options.output, options.format)
    identity.check_inputs(layout, options.inputs)
    sources = job_sources.sources(options, stdin_copy, layout)
    with stderr_redirection.redirect_library_stderr(Path(os.devnull), options.debug):
        module = job_module.open_job_module(options, progress)
    packed_module = staging.packed(module)
    job_identity.check_emit(options, module)
    class_names = job_identity.class_names(options, module)
    extra_columns = job_identity.extra_columns(options, sources)
    job_facts = job_identity.of(options, module, class_names, extra_columns)
    provenance = job_identity.provenance(options, module)
    provenance |= {JOB: identity.job_digest(job_facts)}
    staged = job_module.staged(module, layout, packed_module)
    job = Job(
        sources=sources,
        run=RunToken(layout),
        images_per_shard=options.images_per_shard,
        preprocessing=options.preprocessing(module.info.image_size),
        decode_processes=options.decode_processes,
        decode_limits=options.decode_limits,
        access=options.access,
        worker_cores=preflight.cores_of_a_worker(pipeline_options, resources.cores()),
        read_columns=options.read_columns,
        module=staged,
        schema=PredictionSchema(
            options.emit,
            options.top_k,
            class_names,
            provenance,
            extra_columns,
            options.min_score,
            options.run_columns,
        ),
        provenance=provenance,
    )
    return PreparedJob(
        job,
        options,
        pipeline_options,
        module,
        packed_module,
        job_facts | {"staged_module": {"file": staged.path.name, "sha256": staged.file_digest}},
        stdin_copy,
        job_module.warnings(options, module),
    )


def _check_runner(options: LabelOptions, pipeline_options: PipelineOptions) -> None:
    """Check that the runner responds, and that its workers can read the inputs."""
    if not options.shared_disk:
        names = (*options.inputs, str(options.output))
        submit.check_paths_visible_to_workers(pipeline_options, names)
    preflight.check(pipeline_options)
    if options.detach:
        preflight.check_detachable(pipeline_options)


def run(prepared: PreparedJob, reporter: JobReporter, watch: Stopwatch) -> int:
    """Run a prepared job to its end; return the exit code. The watch was started with the command.

    Raises:
        ImagebeamError: the output belongs to another job or is in use, or the job broke.
    """
    job, options = prepared.job, prepared.options
    with lock.held(job.layout):
        earlier_run = RunToken.unfinished_remote(job.layout)
        identity.claim(job.layout, prepared.identity, options.overwrite)
        job.run.claim()
        if remote_jobs.cancel(earlier_run, prepared.pipeline_options):
            reporter.report_cancelled(earlier_run["job"])
        if prepared.stdin_copy is not None:
            with whole_file(job.layout.stdin) as file, prepared.stdin_copy.open("rb") as copy:
                shutil.copyfileobj(copy, file)
        if options.retry_failed is not None:
            parts.forget_errors(job.layout, options.retry_failed)
        if options.check_changed:
            _forget_changed(job, reporter)
        job_module.stage(job.module, prepared.packed_module)
        startup_times = {"start": watch.cost()}
        if options.detach:
            runner.detach(job, prepared.pipeline_options, startup_times, options.debug)
            reporter.report_detached(job.layout)
            return DONE
        try:
            summary = runner.run(
                job,
                prepared.pipeline_options,
                startup_times,
                watchdog.AbortLimits(options.max_failure_rate, options.stall_seconds),
                reporter,
                options.debug,
            )
        finally:
            # The job no longer reads it, and its URLs may hold secrets.
            if prepared.stdin_copy is not None:
                remove(job.layout.stdin)
    is_direct = preflight.is_direct(prepared.pipeline_options)
    core_seconds = sum(os.times()[:4]) if is_direct else None
    reporter.show_summary(job.layout, summary, watch.cost().wall, core_seconds)
    return _exit_code(summary, options.max_failure_rate, reporter)


def _forget_changed(job: Job, reporter: JobReporter) -> None:
    listed = ((each.uri, each.extra_columns[-1]) for source in job.sources for each in source)
    if again := forget_changed(job.layout, listed):
        reporter.report_warning(
            f"{again:,} images were replaced since they were labelled, and are labelled again"
        )


def _exit_code(
    summary: dict[str, Any], allowed: watchdog.FailureLimit, reporter: JobReporter
) -> int:
    failed = summary["failed"] + summary["already_failed"]
    labelled = summary["labelled"] + summary["already_labelled"]
    if allowed.exceeded(failed, failed + labelled):
        reporter.report_too_many_failures(failed, failed + labelled, str(allowed))
        return FAILED
    return DONE
