"""The command `label`: everything is checked first, then the job is run, then it is told."""

import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from imagebeam import stderr_redirection
from imagebeam.beam_pipeline import job_identity
from imagebeam.beam_pipeline.exit_codes import DONE, FAILED
from imagebeam.beam_pipeline.options import LabelOptions
from imagebeam.beam_pipeline.pipeline import Job
from imagebeam.beam_pipeline.reporting import console
from imagebeam.beam_pipeline.reporting.reporter import JobReporter
from imagebeam.beam_pipeline.runners import (
    beam_options,
    preflight,
    remote_jobs,
    run,
    submit,
    watchdog,
)
from imagebeam.images.listing import inputs
from imagebeam.images.listing.sources import Source
from imagebeam.images.stage_times import Stopwatch
from imagebeam.modules import Module, StagedModule, open_module, staging
from imagebeam.outputs import identity, lock, parts
from imagebeam.outputs.layout import Layout, write_whole
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.samples import MODULE
from imagebeam.storage import AnyPath


def label(
    options: LabelOptions, reporter: JobReporter = console, watch: Stopwatch | None = None
) -> int:
    """Label what the options name; the exit code.

    Args:
        options: what was asked for.
        reporter: shows what happens.
        watch: begun when the command was.
    """
    watch = watch or Stopwatch()
    pipeline_options = beam_options.pipeline_options(options.beam_args)
    if not options.shared_disk:
        submit.check_paths_visible_to_workers(
            pipeline_options, (*options.inputs, str(options.output))
        )
    preflight.check(pipeline_options)
    if options.detach:
        preflight.check_detachable(pipeline_options)
    with _stdin_copy(options) as stdin_copy:
        sources = _sources(options, stdin_copy)
        with stderr_redirection.redirect_library_stderr(Path(os.devnull), options.debug):
            module = open_module(options.module or str(MODULE), options.engine)
        job = _job(options, pipeline_options, sources, module)
        wanted = job_identity.of(options, module, job.schema.class_names, job.schema.kept)
        with lock.held(job.layout):
            left_behind = RunToken.unfinished_remote(job.layout)
            identity.claim(job.layout, wanted, options.overwrite)
            job.run.claim()
            if remote_jobs.cancel(left_behind, pipeline_options):
                reporter.report_cancelled(left_behind["job"])
            if stdin_copy is not None:
                _keep_stdin(stdin_copy, job.layout)
                job = replace(job, sources=_sources(options, job.layout.stdin))
            if options.retry_failed is not None:
                parts.forget_errors(job.layout, options.retry_failed)
            # Named by its digest: what is there already is the same.
            if not job.module.path.exists():
                write_whole(job.module.path, staging.packed(module))
            job = replace(job, before={"start": watch.cost()})
            if options.detach:
                run.detach(job, pipeline_options, options.debug)
                reporter.report_detached(job.layout)
                return DONE
            limits = watchdog.AbortLimits(options.max_failure_rate, options.stall_seconds)
            summary = run.run(job, pipeline_options, limits, reporter, options.debug)
    core_seconds = sum(os.times()[:4]) if preflight.is_direct(pipeline_options) else None
    reporter.show_summary(job.layout, summary, watch.cost().wall, core_seconds)
    return _exit_code(summary, options.max_failure_rate, reporter)


def _job(
    options: LabelOptions,
    pipeline_options: PipelineOptions,
    sources: tuple[Source, ...],
    module: Module,
) -> Job:
    layout = Layout(options.output, options.format)
    job_identity.check_emit(options, module)
    names = job_identity.class_names(options, module)
    provenance = job_identity.provenance(options, module)
    kept = job_identity.kept(options, sources)
    worker_cores = preflight.cores_of_a_worker(pipeline_options)
    return Job(
        sources=sources,
        run=RunToken(layout),
        images_per_shard=options.images_per_shard,
        preprocessing=options.preprocessing(module.info.image_size),
        decode_processes=options.decode_processes or worker_cores,
        decode_limits=options.decode_limits,
        access=options.access,
        worker_cores=worker_cores,
        module=_staged(module, layout),
        schema=PredictionSchema(options.emit, options.top_k, names, provenance, kept),
        provenance=provenance,
    )


def _staged(module: Module, layout: Layout) -> StagedModule:
    """The module as workers find it: it travels with the output, which they can read."""
    path = layout.module(module.digest, staging.suffix(module))
    return StagedModule(module.handle, module.digest, module.engine, path, module.info)


@contextmanager
def _stdin_copy(options: LabelOptions) -> Iterator[Path | None]:
    """Standard input as a file, if it is an input: workers may read it more than once."""
    if inputs.STDIN not in options.inputs:
        yield None
        return
    with tempfile.NamedTemporaryFile(suffix=".txt") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


def _sources(options: LabelOptions, stdin_copy: AnyPath | None) -> tuple[Source, ...]:
    found = inputs.sources(options.inputs, stdin_copy, options.access, tuple(options.keep))
    return _limited(found, options.limit)


def _keep_stdin(copy: Path, layout: Layout) -> None:
    if isinstance(layout.stdin, Path):
        shutil.copyfile(copy, layout.stdin)
    else:
        layout.stdin.write_bytes(copy.read_bytes())


def _limited(sources: tuple[Source, ...], limit: int | None) -> tuple[Source, ...]:
    """The sources, cut so that they list `limit` images together."""
    if limit is None:
        return sources
    cut = []
    for source in sources:
        count = sum(1 for _ in itertools.islice(source, limit))
        cut.append(replace(source, limit=count))
        limit -= count
    return tuple(cut)


def _exit_code(
    summary: dict[str, Any], allowed: watchdog.FailureLimit, reporter: JobReporter
) -> int:
    failed = summary["failed"] + summary["already_failed"]
    labelled = summary["labelled"] + summary["already_labelled"]
    if allowed.exceeded(failed, failed + labelled):
        reporter.report_too_many_failures(failed, failed + labelled, str(allowed))
        return FAILED
    return DONE
