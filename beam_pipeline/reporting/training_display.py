"""What a person sees of training: progress on standard error, the result on standard output."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

if TYPE_CHECKING:
    from imagebeam.mobilenet_v1.folder_training import Classifier
    from imagebeam.mobilenet_v1.training import Progress

_LINE_SECONDS = 30.0
_SKIPPED_SHOWN = 5

_errors = Console(stderr=True, highlight=False)
_out = Console(highlight=False)


@contextmanager
def progress(state: Path) -> Iterator[Callable[[Progress], None]]:
    """Somewhere to show progress: a live bar for a person, a line now and then for a log.

    Args:
        state: folder of the run, which a stop by Ctrl-C leaves.
    """
    try:
        with _display() as show:
            yield show
    except KeyboardInterrupt:
        _errors.print(
            f"\nimagebeam: stopped. The run stays in {state}; the same command continues it.",
            soft_wrap=True,
        )
        raise


@contextmanager
def _display() -> Iterator[Callable[[Progress], None]]:
    if not _errors.is_terminal:
        yield _Lines().show
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Bar(*columns, console=_errors) as bar:
        task = bar.add_task("decoding", total=None, state="")

        def show(now: Progress) -> None:
            bar.update(
                task,
                description=f"training ({now.phase.value})",
                total=now.steps,
                completed=now.step,
                state=_state(now),
            )

        yield show


class _Lines:
    """Plain lines for a log: one every 30 s, and the last."""

    def __init__(self) -> None:
        self._next = time.monotonic()

    def show(self, now: Progress) -> None:
        if time.monotonic() >= self._next or now.step == now.steps:
            self._next = time.monotonic() + _LINE_SECONDS
            line = f"step {now.step:,}/{now.steps:,} ({now.phase.value}), {_state(now)}"
            _errors.print(f"imagebeam: {line}", soft_wrap=True)


def _state(now: Progress) -> str:
    return (
        f"loss {now.loss:.3f}, accuracy {now.accuracy:.1%}, "
        f"about {_duration(now.seconds_left)} left"
    )


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def show_result(classifier: Classifier, integer_right: int, module: Path, state: Path) -> None:
    """The closing table: accuracy in each form, what was skipped, where the module is."""
    accuracy = classifier.accuracy
    table = Table("held-out pictures", "right", "accuracy", box=None, pad_edge=False)
    for form, right in (
        ("float", accuracy.float_right),
        ("fake-quant", accuracy.quantised_right),
        ("uint8", integer_right),
    ):
        table.add_row(form, f"{right:,} of {accuracy.count:,}", f"{right / accuracy.count:.1%}")
    _out.print(table)
    if classifier.skipped:
        _out.print(f"\n{len(classifier.skipped):,} pictures skipped:", soft_wrap=True)
        for line in classifier.skipped[:_SKIPPED_SHOWN]:
            _out.print(f"  {line}", soft_wrap=True, markup=False)
    _out.print(f"\nmodule   {module}", soft_wrap=True)
    _out.print(f"run      {state}: TensorBoard summaries; remove it when you like", soft_wrap=True)
    _out.print(f"next     imagebeam label IMAGES --output DIR --module {module}", soft_wrap=True)
