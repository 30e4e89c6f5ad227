"""Check that the output can be written and belongs to this job."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from imagebeam.beam_pipeline import job_identity, job_module, job_sources
from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.outputs import identity, lock
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.layout import Layout
from imagebeam.storage import AnyPath, Location


def check_output(options: LabelOptions) -> Iterator[Finding]:
    """Yield one line for the output folder of a job."""
    layout = Layout(options.output, options.format)
    there = nearest_existing(layout.root)
    try:
        free = _probed(there)
        held = _held(options, layout)
    except OSError as error:
        raise OutputError(
            f"{there}: {error.strerror}. Choose an --output that can be written."
        ) from error
    facts = {"output": str(layout.root), "free_bytes": free, "held": held}
    space = "" if free is None else f", {free / 1e9:,.1f} GB free"
    message = f"{layout.root} can be written{space}; {_STATES[held]}"
    if held == "resumed" and not options.check_changed:
        message += "; images replaced under their names keep their labels (--check-changed)"
    state = FindingState.WARNING if held == "replaced" else FindingState.OK
    yield Finding("output", state, message, facts)


def _held(options: LabelOptions, layout: Layout) -> str:
    if isinstance(layout.root, Path) and not layout.root.exists():
        return "new"
    lock.check(layout)
    module = job_module.open_job_module(options)
    names = job_identity.class_names(options, module)
    # Only the columns that --keep names have types that the inputs decide.
    sources = job_sources.listed(options) if options.keep else ()
    try:
        columns = job_identity.extra_columns(options, sources)
        resumes = identity.check(layout, job_identity.of(options, module, names, columns))
    except OutputError:
        # --overwrite does not delete a folder that imagebeam did not create.
        if options.overwrite and layout.identity.exists():
            return "replaced"
        raise
    if not resumes:
        return "empty"
    return "replaced" if options.overwrite else "resumed"


_STATES = {
    "new": "it does not exist yet",
    "empty": "it is empty",
    "resumed": "it holds results of this job, which will be resumed",
    "replaced": "it holds rows, which --overwrite will delete",
}


def _probed(folder: AnyPath) -> int | None:
    """Write a probe and return the free bytes; None for a store."""
    if isinstance(folder, Location):
        probe = folder / f"imagebeam-probe-{uuid.uuid4().hex}"
        try:
            probe.write_bytes(_PROBE)
        finally:
            probe.unlink(missing_ok=True)
        return None
    # The file has no name, or loses it at once: nothing is left behind.
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(_PROBE)
        file.flush()
        os.fsync(file.fileno())
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


_PROBE = b"imagebeam"


def nearest_existing(path: AnyPath) -> AnyPath:
    """Return the folder, or else the nearest one above it that exists; a store has no folders."""
    while isinstance(path, Path) and not path.exists():
        path = path.parent
    return path
