"""How a job tells what it does: to a person, in few words, or to another program."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TextIO

from imagebeam.beam_pipeline.reporting import console, json_lines
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.progress import Progress


class JobReporter(Protocol):
    """What a job may have to say."""

    def progress(self, stream: TextIO) -> AbstractContextManager[Callable[[Progress], None]]:
        """Somewhere to show progress."""

    def show_summary(
        self, layout: Layout, summary: dict[str, Any], seconds: float, core_seconds: float | None
    ) -> None:
        """Tell the account of a complete job, and what it took.

        Args:
            layout: of its output.
            summary: the account.
            seconds: of wall time.
            core_seconds: in which this process and its children had a core, from its start on;
                None where others have worked too.
        """

    def say_too_many_failed(self, failed: int, images: int, most: str) -> None:
        """Tell why the exit code is 1 although all rows are written."""

    def say_cancelled(self, job: str) -> None:
        """Tell that an earlier run's work on a cluster has been ended."""

    def say_detached(self, layout: Layout) -> None:
        """Tell that the job was left to its cluster."""

    def say_stopped(self, reason: str, layout: Layout) -> None:
        """Tell why the job ends before its end."""


class _Quiet:
    """Says only what went wrong."""

    say_too_many_failed = staticmethod(console.say_too_many_failed)
    say_cancelled = staticmethod(console.say_cancelled)
    say_stopped = staticmethod(console.say_stopped)

    @contextmanager
    def progress(self, stream: TextIO) -> Iterator[Callable[[Progress], None]]:
        yield lambda now: None

    def show_summary(
        self, layout: Layout, summary: dict[str, Any], seconds: float, core_seconds: float | None
    ) -> None:
        pass

    def say_detached(self, layout: Layout) -> None:
        pass


def voice(quiet: bool, as_events: bool) -> JobReporter:
    """The voice that the user chose."""
    if as_events:
        return json_lines
    return _Quiet() if quiet else console
