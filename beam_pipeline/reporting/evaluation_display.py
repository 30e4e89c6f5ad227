"""What a person sees of an evaluation: progress on standard error, the result on standard out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from imagebeam.evaluation.accuracy import Evaluation, Tally, wilson_interval
from imagebeam.modules import Module


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], object]]:
    """Somewhere to show progress: a bar for a person, nothing for a log."""
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda count: bar.advance(task, count)


def print_json(evaluation: Evaluation, module: Module, resize: str) -> None:
    """Print the result as JSON: shares with their 95 % intervals, over all and by class."""
    result = {
        "module": module.handle,
        "digest": module.digest,
        "engine": module.engine,
        "resize": resize,
        "failed": dict(evaluation.failed),
        **_figures(evaluation.tally),
        "classes": {label: _figures(tally) for label, tally in evaluation.tallies.items()},
    }
    print(json.dumps(result, ensure_ascii=False, indent=2))


def _figures(tally: Tally) -> dict[str, Any]:
    return {
        "images": tally.images,
        "top_1": tally.top_1 / tally.images,
        "top_1_interval": wilson_interval(tally.top_1, tally.images),
        "top_5": tally.top_5 / tally.images,
        "top_5_interval": wilson_interval(tally.top_5, tally.images),
    }


def print_table(evaluation: Evaluation, module: Module, resize: str) -> None:
    """Print the result for a person."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("class", overflow="fold")
    for name in ("images", "top-1", "top-5"):
        table.add_column(name, justify="right")
    for label, tally in evaluation.tallies.items():
        table.add_row(
            label,
            f"{tally.images:,}",
            f"{tally.top_1 / tally.images:.1%}",
            f"{tally.top_5 / tally.images:.1%}",
        )
    out = Console(highlight=False, markup=False, soft_wrap=True)
    out.print(table)
    out.print(f"\n{module.handle} on {module.engine}, {resize}")
    tally = evaluation.tally
    out.print(_line("top-1", tally.top_1, tally.images))
    out.print(_line("top-5", tally.top_5, tally.images))
    if evaluation.failed:
        out.print(f"not decoded, not counted: {counts(evaluation.failed)}")


def _line(name: str, right: int, images: int) -> str:
    low, high = wilson_interval(right, images)
    return (
        f"{name} {right / images:.1%} of {images:,} images (95 % interval {low:.1%} to {high:.1%})"
    )


def counts(failed: Mapping[str, int]) -> str:
    """Failures by code, "2 corrupt, 1 not_found"."""
    return ", ".join(f"{count:,} {code}" for code, count in sorted(failed.items()))
