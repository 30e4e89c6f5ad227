"""Show the counts of a job's summary, or those so far."""

from collections.abc import Sequence
from dataclasses import dataclass

from imagebeam.report.contents import Contents


@dataclass(frozen=True)
class SummaryEntry:
    """One count of the summary; `kind` selects the colour."""

    name: str
    images: int
    kind: str


@dataclass(frozen=True)
class Segment:
    """A segment of the bar: its start and its length, as shares of the total."""

    kind: str
    start: float
    share: float


@dataclass(frozen=True)
class ShownSummary:
    """The counts of the summary, the bar that shows them, and a sentence."""

    entries: Sequence[SummaryEntry]
    sentence: str

    @property
    def segments(self) -> list[Segment]:
        """Return the segments of the bar; none where the total is unknown."""
        total = self.entries[0].images if self.entries[0].kind == "whole" else 0
        found, start = [], 0.0
        for entry in self.entries[1:] if total else ():
            share = entry.images / total
            found.append(Segment(entry.kind, start, share))
            start += share
        return found


def shown_summary(contents: Contents) -> ShownSummary:
    """Return the summary of the latest run, or the counts so far."""
    if contents.summary is not None:
        return _complete(contents)
    so_far = [
        SummaryEntry("labelled so far", contents.labelled, "labelled"),
        SummaryEntry("failed so far", contents.failed, "failed"),
    ]
    plan = contents.plan
    if plan is None:
        return ShownSummary(
            so_far, "The number of images is not known yet: they are still being listed."
        )
    left = max(plan.rows - contents.labelled - contents.failed, 0)
    whole = SummaryEntry("rows at the end", plan.rows, "whole")
    return ShownSummary(
        [whole, *so_far, SummaryEntry("to do", left, "open")],
        f"The latest run requested {plan.requested:,} images, {plan.duplicates:,} of them "
        f"duplicates. {left:,} have no row yet.",
    )


def _complete(contents: Contents) -> ShownSummary:
    summary = contents.summary
    assert summary is not None
    kinds = {
        "labelled": "labelled",
        "failed": "failed",
        "already_done": "earlier",
        "duplicates": "twice",
    }
    entries = [
        SummaryEntry(name.replace("_", " "), summary[name], kind) for name, kind in kinds.items()
    ]
    terms = " + ".join(f"{entry.images:,} {entry.name}" for entry in entries)
    sentence = f"{summary['requested']:,} requested = {terms}."
    if summary["already_done"]:
        sentence += (
            f" Of the images that earlier runs had done, {summary['already_labelled']:,} are "
            f"labelled and {summary['already_failed']:,} failed."
        )
    in_all = contents.labelled + contents.failed
    if in_all != summary["labelled"] + summary["failed"]:
        sentence += (
            f" In total the output holds {contents.labelled:,} labelled and {contents.failed:,} "
            "failed images, which this page shows."
        )
    return ShownSummary(
        [SummaryEntry("requested", summary["requested"], "whole"), *entries], sentence
    )
