"""What a person sees of a compaction: progress on standard error, the result on standard output."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from imagebeam.outputs.compact import Compacted
from imagebeam.outputs.layout import Layout

_LINE_SECONDS = 30.0


@contextmanager
def progress(
    console: Console | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int, int], None]]:
    """Somewhere to show progress: a live bar for a person, a line now and then for a log."""
    console = console or Console(stderr=True, highlight=False)
    start = clock()
    if not console.is_terminal:
        yield _Lines(console, clock).show
        return
    columns = (
        *(TextColumn("joining"), BarColumn(), MofNCompleteColumn()),
        *(TextColumn("{task.fields[rate]}"), TimeRemainingColumn()),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("", total=None, rate="")
        yield lambda done, of: bar.update(
            task, completed=done, total=of, rate=_rate(done, clock() - start)
        )


class _Lines:
    """Plain lines for a log, one every 30 s."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._start = clock()
        self._next = self._start + _LINE_SECONDS

    def show(self, done: int, of: int) -> None:
        now = self._clock()
        if now >= self._next:
            self._next = now + _LINE_SECONDS
            rate = _rate(done, now - self._start)
            self._console.print(f"imagebeam: {done:,}/{of:,} files, {rate}", soft_wrap=True)


def _rate(done: int, seconds: float) -> str:
    return f"{done / max(seconds, 1e-9):,.0f} files/s"


def show(layout: Layout, compacted: Mapping[str, Compacted]) -> None:
    """Print what there was and what there is."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("")
    for name in ("files before", "after", "MB before", "after", "rows joined"):
        table.add_column(name, justify="right")
    for name, result in compacted.items():
        table.add_row(
            name,
            *(f"{count:,}" for count in result.parts),
            *(f"{count / 1e6:,.1f}" for count in result.bytes),
            f"{result.rows:,}",
        )
    out = Console(highlight=False, markup=False, emoji=False)
    out.print(table)
    if not layout.summary.exists():
        out.print(
            "\nThe job is not complete: what it had finished is joined. Run its command again for "
            "the rest.",
            soft_wrap=True,
        )
