"""Report the steps of a job: to a person, briefly to a person, or to another program."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, Protocol, TextIO, cast

from imagebeam.beam_pipeline.reporting import console, json_lines
from imagebeam.modules.handles.download import Progress as Download
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.progress import Progress


class JobReporter(Protocol):
    """Everything that a job may report."""

    def progress(self, stream: TextIO) -> AbstractContextManager[Callable[[Progress], None]]:
        """Show progress on a stream until the end of the block."""

    def show_summary(
        self, layout: Layout, summary: dict[str, Any], seconds: float, core_seconds: float | None
    ) -> None:
        """Show the result of a complete job.

        Args:
            summary: the content of summary.json.
            seconds: wall time of this run.
            core_seconds: CPU time of this process and its children since its start; None if
                other machines took part.
        """

    def fetching(self, stream: TextIO) -> AbstractContextManager[Download]:
        """Show the download of a module on a stream until the end of the block."""

    def report_warning(self, text: str) -> None:
        """Say what the user should know before trusting the labels."""

    def report_too_many_failures(self, failed: int, images: int, most: str) -> None:
        """Say why the exit code is 1 although all rows are written."""

    def report_cancelled(self, job: str) -> None:
        """Say that a job that an earlier run left on a cluster was cancelled."""

    def report_detached(self, layout: Layout) -> None:
        """Say that the job was submitted and runs on without this process."""

    def report_stopped(self, reason: str, layout: Layout) -> None:
        """Say why the job stops before its end."""


def job_reporter(quiet: bool, verbose: bool, as_events: bool) -> JobReporter:
    """Return the reporter that the user chose."""
    if as_events:
        return json_lines
    if verbose:
        return _console_but(show_summary=partial(console.show_summary, verbose=True))
    if quiet:
        return _console_but(
            progress=_silent, fetching=_silent, show_summary=_nothing, report_detached=_nothing
        )
    return console


def _console_but(**functions: Any) -> JobReporter:
    """Return the functions of `console`, some of which are replaced."""
    return cast(JobReporter, SimpleNamespace(**{**vars(console), **functions}))


@contextmanager
def _silent(stream: TextIO) -> Iterator[Callable[..., None]]:
    yield _nothing


def _nothing(*_: object) -> None:
    pass
