"""What a person sees of a job's state."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from imagebeam.beam_pipeline.reporting import console
from imagebeam.outputs.status import SILENT_SECONDS, Status

_out = Console(highlight=False, markup=False, emoji=False)


def show(found: Status) -> None:
    """Print how far the job is, and what to do next."""
    if found.summary is not None:
        _out.print("complete\n")
        _out.print(console.summary_table(found.summary))
        _out.print("")
        console.show_places(found.layout, found.summary)
    else:
        _out.print(_standing(found))
    for sentence in _advice(found):
        _out.print(f"\n{sentence}", soft_wrap=True)


def _standing(found: Status) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")
    table.add_column()
    table.add_row("state", _state(found))
    if found.plan is not None:
        share = found.done / max(found.plan.to_do, 1)
        table.add_row("done", f"{found.done:,} of {found.plan.to_do:,} ({int(100 * share)} %)")
    if found.images_per_second is not None:
        left = found.seconds_left
        eta = "" if left is None else f", {span(left)} left"
        table.add_row("rate", f"{found.images_per_second:,.0f} images/s{eta}")
    table.add_row("labelled", f"{found.progress.labelled:,}")
    table.add_row("failed", f"{sum(found.progress.failed.values()):,}")
    for code, count in sorted(found.progress.failed.items()):
        table.add_row(f"  {code}", f"{count:,}", console.cure(code))
    table.add_row("last sign", f"{span(found.silent_seconds)} ago")
    return table


def _state(found: Status) -> str:
    phase = "listing images" if found.plan is None else "labelling"
    match found.state:
        case "running":
            return phase if found.compacting is None else "being compacted"
        case "detached":
            return f"{phase}, left to {', '.join(found.remote_handle.values())}"
        case _:
            return f"stopped while {phase}"


def _advice(found: Status) -> Iterator[str]:
    root = found.layout.root
    if found.compacting is False:
        yield f"A compaction was stopped: `imagebeam compact {root}` finishes it."
    silent = found.silent_seconds > SILENT_SECONDS
    match found.state:
        case "stopped":
            yield (
                "No process of this machine is at work on it. If none is elsewhere, run its "
                "command again: it does what is missing."
            )
        case "detached" if silent:
            yield (
                f"Nothing was finished for {span(found.silent_seconds)}. Ask there whether the job "
                "has ended; if so, run its command again: it does what is missing."
            )
        case "running" if silent:
            yield (
                f"Nothing was finished for {span(found.silent_seconds)}. "
                f"{found.layout.log} may say why."
            )


def span(seconds: float) -> str:
    """A time in its two largest units: `3 h 20 min`."""
    for unit, name, below, part in _UNITS:
        if seconds >= unit:
            return f"{int(seconds // unit)} {name} {int(seconds % unit // below)} {part}"
    return f"{seconds:.0f} s"


_UNITS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
