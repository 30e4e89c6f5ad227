"""The account in the words and shapes of the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from imagebeam.report.contents import Contents


@dataclass(frozen=True)
class AccountEntry:
    """One number of the account; `kind` chooses its colour."""

    name: str
    images: int
    kind: str


@dataclass(frozen=True)
class Segment:
    """A part of the bar: where it starts and how long it is, as shares of all."""

    kind: str
    start: float
    share: float


@dataclass(frozen=True)
class ShownAccount:
    """Numbers, a bar of all but the first of them, and what they come to."""

    entries: Sequence[AccountEntry]
    sentence: str

    @property
    def segments(self) -> list[Segment]:
        """What the bar is made of; nothing where no total is known."""
        total = self.entries[0].images if self.entries[0].kind == "whole" else 0
        found, start = [], 0.0
        for entry in self.entries[1:] if total else ():
            share = entry.images / total
            found.append(Segment(entry.kind, start, share))
            start += share
        return found


def shown(contents: Contents) -> ShownAccount:
    """The account of the latest run, or of as much as there is of it."""
    if contents.summary is not None:
        return _complete(contents)
    so_far = [
        AccountEntry("labelled so far", contents.labelled, "labelled"),
        AccountEntry("failed so far", contents.failed, "failed"),
    ]
    plan = contents.plan
    if plan is None:
        return ShownAccount(
            so_far, "How many images there are to do is not known: they were not all listed yet."
        )
    left = max(plan.rows - contents.labelled - contents.failed, 0)
    whole = AccountEntry("rows in the end", plan.rows, "whole")
    return ShownAccount(
        [whole, *so_far, AccountEntry("to do", left, "open")],
        f"The latest run was asked for {plan.requested:,} images, {plan.duplicates:,} of them "
        f"duplicates. {left:,} have no row yet.",
    )


def _complete(contents: Contents) -> ShownAccount:
    summary = contents.summary
    assert summary is not None
    kinds = {
        "labelled": "labelled",
        "failed": "failed",
        "already_done": "earlier",
        "duplicates": "twice",
    }
    entries = [
        AccountEntry(name.replace("_", " "), summary[name], kind) for name, kind in kinds.items()
    ]
    terms = " + ".join(f"{entry.images:,} {entry.name}" for entry in entries)
    sentence = f"{summary['requested']:,} requested = {terms}."
    if summary["already_done"]:
        sentence += (
            f" Of those that earlier runs had done, {summary['already_labelled']:,} are labelled "
            f"and {summary['already_failed']:,} failed."
        )
    in_all = contents.labelled + contents.failed
    if in_all != summary["labelled"] + summary["failed"]:
        sentence += (
            f" In all the output holds {contents.labelled:,} labelled and {contents.failed:,} "
            "failed images, which this page shows."
        )
    return ShownAccount(
        [AccountEntry("requested", summary["requested"], "whole"), *entries], sentence
    )
