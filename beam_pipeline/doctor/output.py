"""Check that the output can be written and belongs to this job."""

import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagebeam.beam_pipeline import job_identity
from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.doctor.module import open_job_module
from imagebeam.beam_pipeline.options import LabelOptions
from imagebeam.images.listing import inputs
from imagebeam.outputs import identity, lock
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.layout import Layout
from imagebeam.storage import AnyPath, Location


@dataclass(frozen=True)
class Output:
    """The output folder of the job.

    Attributes:
        options: of the job.
    """

    options: LabelOptions
    about: str = "output"

    def run(self) -> Iterator[Finding]:
        """Yield one line."""
        layout = Layout(self.options.output, self.options.format)
        there = nearest_existing(layout.root)
        try:
            free = _probed(there)
            held = self._held(layout)
        except OSError as error:
            raise OutputError(
                f"{there}: {error.strerror}. Choose an --output that can be written."
            ) from error
        facts = {"output": str(layout.root), "free_bytes": free, "held": held}
        space = "" if free is None else f", {free / 1e9:,.1f} GB free"
        message = f"{layout.root} can be written{space}; {_STATES[held]}"
        if held == "resumed" and not self.options.check_changed:
            message += "; images replaced under their names keep their labels (--check-changed)"
        state = FindingState.WARNING if held == "replaced" else FindingState.OK
        yield Finding(self.about, state, message, facts)

    def _held(self, layout: Layout) -> str:
        if isinstance(layout.root, Path) and not layout.root.exists():
            return "new"
        lock.check(layout)
        module = open_job_module(self.options)
        names = job_identity.class_names(self.options, module)
        try:
            wanted = job_identity.of(self.options, module, names, self._kept())
            resumes = identity.check(layout, wanted)
        except OutputError:
            # --overwrite does not delete a folder that imagebeam did not create.
            if self.options.overwrite and layout.identity.exists():
                return "replaced"
            raise
        if not resumes:
            return "empty"
        return "replaced" if self.options.overwrite else "resumed"

    def _kept(self) -> Mapping[str, Any]:
        options = self.options
        # All other columns have fixed types.
        sources = (
            inputs.sources(
                options.inputs, None, options.access, tuple(options.keep), options.listing_rules
            )
            if options.keep
            else ()
        )
        return job_identity.extra_columns(options, sources)


_STATES = {
    "new": "it does not exist yet",
    "empty": "it is empty",
    "resumed": "it holds results of this job, which will be resumed",
    "replaced": "it holds rows, which --overwrite will delete",
}


def _probed(folder: AnyPath) -> int | None:
    """Write a probe; the free bytes, or None for a store."""
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
