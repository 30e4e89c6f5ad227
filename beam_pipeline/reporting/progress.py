"""Progress on standard error: a live bar on a terminal, a plain line every 30 s in a log.

It also has the text forms of times and counts that progress, tables and doctor share.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, ConsoleDimensions
from rich.progress import BarColumn, Progress, TextColumn

LINE_SECONDS = 30.0
_FRAME_SECONDS = 0.1


@dataclass(frozen=True)
class Step:
    """The progress of a piece of work.

    Attributes:
        phase: what is being done, such as "labelling".
        done: units done.
        total: the number of units; None if it is not known yet.
        details: more to say, such as the loss of a training step.
        problems: what went wrong, such as "3 corrupt"; a terminal shows it in red.
    """

    phase: str
    done: int = 0
    total: int | None = None
    details: str = ""
    problems: str = ""


@contextmanager
def progress(
    stream: TextIO, unit: str, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Step], None]]:
    """Show the steps that it is given until the end of the block; `unit` is what they count."""
    # FORCE_COLOR asks for colours in a CI log, which is not a terminal all the same.
    live = stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    console = _Console(file=stream, highlight=False, force_terminal=live, force_jupyter=False)
    rate = _Rate(unit, clock)
    if not live:
        yield _Lines(console, unit, rate, clock).show
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        TextColumn("{task.fields[problems]}", style="red", markup=False),
    )
    # Frames are drawn by `show`, not by a thread: what a terminal shows depends on calls alone.
    with Progress(*columns, console=console, auto_refresh=False) as bar:
        task = bar.add_task("", total=None, state="", problems="")
        next_frame = clock()

        def show(step: Step) -> None:
            nonlocal next_frame
            rate.see(step)
            parts = (counted(step, ""), step.details, rate.text(step))
            bar.update(
                task,
                description=step.phase,
                total=step.total,
                completed=step.done if step.total is not None else 0,
                state=", ".join(filter(None, parts)),
                problems=step.problems,
            )
            if clock() >= next_frame:
                next_frame = clock() + _FRAME_SECONDS
                bar.refresh()

        yield show


class _Console(Console):
    """Measures the terminal that it writes to, which need not be that of standard output."""

    @property  # type: ignore[misc] # never set
    def size(self) -> ConsoleDimensions:
        try:
            return ConsoleDimensions(*os.get_terminal_size(self.file.fileno()))
        except OSError:
            return super().size


class _Rate:
    """Units per second since the total was first known."""

    def __init__(self, unit: str, clock: Callable[[], float]) -> None:
        self._unit = unit
        self._clock = clock
        self._first: tuple[float, int] | None = None

    def see(self, step: Step) -> None:
        """Begin to count at the first step with a total."""
        if self._first is None and step.total is not None:
            self._first = (self._clock(), step.done)

    def text(self, step: Step) -> str:
        """Return the rate and the time left, as far as they are known."""
        if self._first is None or step.total is None:
            return ""
        began, done_before = self._first
        rate = (step.done - done_before) / max(self._clock() - began, 1e-9)
        if not rate:
            return f"0 {self._unit}/s, time left unknown" if step.done < step.total else ""
        digits = 0 if rate >= 10 else 1 if rate >= 0.1 else 3
        return (
            f"{rate:,.{digits}f} {self._unit}/s, {duration((step.total - step.done) / rate)} left"
        )


class _Lines:
    """Plain lines: one at the start of each known total, one every 30 s, and the last step."""

    def __init__(
        self, console: Console, unit: str, rate: _Rate, clock: Callable[[], float]
    ) -> None:
        self._console = console
        self._unit = unit
        self._rate = rate
        self._clock = clock
        self._next = clock() + LINE_SECONDS
        self._total: int | None = None
        self._ended = False

    def show(self, step: Step) -> None:
        self._rate.see(step)
        is_start = step.total is not None and self._total is None
        is_end = step.total is not None and step.done >= step.total > 0 and not self._ended
        if is_start:
            self._total = step.total
            self._print(f"{step.phase} {step.total:,} {plural(self._unit, step.total)}")
        # The first step may be the last one: a small job ends before anyone looks.
        if is_end or self._clock() >= self._next:
            self._ended = self._ended or is_end
            parts = (counted(step, self._unit), step.details, self._rate.text(step), step.problems)
            self._print(": ".join(filter(None, (step.phase, ", ".join(filter(None, parts))))))

    def _print(self, text: str) -> None:
        self._next = self._clock() + LINE_SECONDS
        self._console.print(f"imagebeam: {text}", soft_wrap=True, markup=False)


def counted(step: Step, unit: str) -> str:
    """Return the units that are done and their total: `3,000/5,000 images`."""
    total = "" if step.total is None else f"/{step.total:,}"
    if step.total is None and not step.done:
        return ""
    of = step.done if step.total is None else step.total
    return f"{step.done:,}{total} {plural(unit, of)}".rstrip()


def plural(unit: str, count: int | None) -> str:
    """Return the unit in the form that fits the count: 1 image, 2 images."""
    return unit.removesuffix("s") if count == 1 else unit


def duration(seconds: float) -> str:
    """Return a time in its two largest units: `3 h 20 min`; `0.25 s`."""
    for size, name, part_size, part in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {name} {int(seconds % size // part_size)} {part}"
    return f"{seconds:.0f} s" if seconds >= 9.95 or not seconds else f"{seconds:.2g} s"


_UNITS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def rate(images: float, seconds: float) -> str:
    """Return the number of images per second: `1,234 images/s`; `0.4 images/s`."""
    value = images / max(seconds, 1e-3)
    if 0 < value < 0.01:
        return "less than 0.01 images/s"
    return f"{value:,.0f} images/s" if value >= 9.95 or not images else f"{value:.2g} images/s"


def failure_counts(failed: Mapping[str, int]) -> str:
    """Return failures by code: `2 corrupt, 1 not_found`."""
    return ", ".join(f"{count:,} {code}" for code, count in sorted(failed.items()))


def byte_text(count: int) -> str:
    """Return a number of bytes in the unit that suits it: `1.2 GB`."""
    for size, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            return f"{count / size:.{0 if count >= 100 * size else 1}f} {unit}"
    return f"{count} bytes"
