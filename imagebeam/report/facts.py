"""Describes a job besides its rows: state, summary, costs and provenance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagebeam.images.listing.left_out import REASONS
from imagebeam.report.breakdown import GroupCount
from imagebeam.report.contents import Contents


@dataclass(frozen=True)
class Fact:
    """One entry of the provenance."""

    name: str
    value: str


@dataclass(frozen=True)
class OutputState:
    """The state of an output; `kind` selects the colour."""

    word: str
    kind: str


@dataclass(frozen=True)
class StageCost:
    """The time of one stage.

    Attributes:
        name: of the stage.
        wall: seconds, summed over threads and processes.
        cpu: seconds, summed likewise.
        share: relative to the wall seconds of the longest stage.
        cpu_per_image: seconds; None where the run did no image.
    """

    name: str
    wall: float
    cpu: float
    share: float
    cpu_per_image: float | None


def state(contents: Contents) -> OutputState:
    """Return the state of the output."""
    if contents.findings:
        return OutputState("damaged", "bad")
    if contents.summary is not None:
        return OutputState("complete", "good")
    return OutputState("running" if contents.is_running else "not complete", "open")


def notes(contents: Contents) -> list[str]:
    """Return what a reader must know before reading the page."""
    lines = []
    if contents.is_running:
        lines.append(
            "The job is still running, on this machine or on a cluster. The page shows the rows "
            "that existed when it was made. Run `imagebeam report` again to update it."
        )
    elif contents.summary is None:
        lines.append(
            "The job is not complete: it was stopped or it failed. Run the same command again to "
            "resume it."
        )
    if not contents.labelled and not contents.failed:
        lines.append("The output holds no rows.")
    elif "labels" not in contents.identity["emit"]:
        emitted = " and ".join(contents.identity["emit"])
        lines.append(
            f"The job wrote {emitted} but no labels, so there are no classes and no scores to "
            "show. Use --emit labels to get them."
        )
    return lines


def stages(contents: Contents) -> list[StageCost]:
    """Return the times of the stages of the latest run, in the order of the flow."""
    summary = contents.summary or {}
    costs: Mapping[str, Mapping[str, float]] = summary.get("stages") or {}
    most = max((cost["wall_seconds"] for cost in costs.values()), default=0.0)
    done = (summary["labelled"] + summary["failed"]) if costs else 0
    return [
        StageCost(
            name,
            cost["wall_seconds"],
            cost["cpu_seconds"],
            cost["wall_seconds"] / most if most else 0.0,
            cost["cpu_seconds"] / done if done else None,
        )
        for name, cost in costs.items()
    ]


def provenance(contents: Contents) -> list[Fact]:
    """Return what produced the rows: module, engine, preprocessing, options, versions."""
    try:
        return _provenance(contents.provenance)
    except (TypeError, LookupError, ValueError, AttributeError) as error:
        return [Fact("damaged", f"the provenance cannot be read ({error})")]


def _provenance(made: Mapping[str, Any]) -> list[Fact]:
    preprocessing: Mapping[str, Any] = made.get("preprocessing", made)
    height, width = preprocessing["image_size"]
    facts = {
        "module": made["module"],
        "module digest": made["module_digest"],
        "engine": made["engine"],
        "input": f"{width} × {height} pixels, --resize {made['resize']}",
        "largest image": _limits(preprocessing),
        "rows": f"--emit {','.join(made['emit'])} --format {made['format']}",
        "classes in top_k": made.get("top_k"),
        "vectors": _pairs(made.get("vector_lengths")),
        "versions": _pairs(made.get("versions")),
    }
    return [Fact(name, str(value)) for name, value in facts.items() if value]


def _limits(preprocessing: Mapping[str, Any]) -> str:
    if "max_image_bytes" not in preprocessing:
        return ""
    return (
        f"{preprocessing['max_image_bytes']:,} bytes, {preprocessing['max_image_pixels']:,} pixels"
    )


def _pairs(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (values or {}).items() if value)


@dataclass(frozen=True)
class LeftOutEntry:
    """Entries that the listing left out for one reason."""

    reason: str
    entries: int
    explanation: str
    examples: Sequence[str]


def left_out(contents: Contents) -> list[LeftOutEntry]:
    """Return what the listing of the latest run left out; earlier versions did not count it."""
    counts = (contents.summary or {}).get("left_out") or {}
    try:
        return [
            LeftOutEntry(
                str(reason),
                int(count["count"]),
                REASONS.get(reason, ""),
                [str(example) for example in count["examples"]],
            )
            for reason, count in counts.items()
            if count["count"]
        ]
    except (TypeError, LookupError, ValueError, AttributeError):
        return []


def folders_note(contents: Contents, left: Sequence[GroupCount]) -> str:
    """Return a note about the folders that are not listed; empty where all are."""
    images = sum(each.labelled + each.failed for each in left) + contents.breakdown.others
    return f"Smaller folders, with {images:,} images together, are not listed." if images else ""


def years_note(contents: Contents) -> str:
    """Return a note about the years."""
    known = sum(each.labelled for each in contents.breakdown.years())
    text = "The year is that of the last change of the file."
    if unknown := contents.labelled - known:
        text += (
            f" {unknown:,} images have no year, because they are not files of the machine that "
            "made this page"
        )
        if contents.dates_skipped:
            text += f", or because {contents.dates_skipped:,} files were too many to look up"
        text += "."
    return text


@dataclass(frozen=True)
class SameContent:
    """Images of the output whose bytes are equal; `largest` has digest and images of groups."""

    images: int
    groups: int
    largest: Sequence[tuple[str, int]]


def same_content(contents: Contents) -> SameContent | None:
    """Return what the latest run counted; None if rows have no digests or all are different."""
    counts = (contents.summary or {}).get("same_content") or {}
    try:
        largest = [(str(each["digest"]), int(each["images"])) for each in counts["largest"]]
        found = SameContent(int(counts["images"]), int(counts["groups"]), largest)
    except (TypeError, LookupError, ValueError, AttributeError):
        return None
    return found if found.images else None
