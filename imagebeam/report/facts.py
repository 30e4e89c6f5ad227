"""Describe a job besides its rows: state, summary, costs and provenance."""

from collections.abc import Mapping, Sequence
from typing import Any

from imagebeam.report.breakdown import GroupCount
from imagebeam.report.contents import Contents


def state(contents: Contents) -> tuple[str, str]:
    """Return a word for the state of the output, and the kind that selects its colour."""
    if contents.findings:
        return "damaged", "bad"
    if contents.summary is not None:
        return "complete", "good"
    return "running" if contents.is_running else "not complete", "open"


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


def provenance(contents: Contents) -> dict[str, str]:
    """Return what produced the rows: module, engine, preprocessing, options, versions."""
    try:
        return _provenance(contents.provenance)
    except (TypeError, LookupError, ValueError, AttributeError) as error:
        return {"damaged": f"the provenance cannot be read ({error})"}


def _provenance(made: Mapping[str, Any]) -> dict[str, str]:
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
    return {name: str(value) for name, value in facts.items() if value}


def _limits(preprocessing: Mapping[str, Any]) -> str:
    if "max_image_bytes" not in preprocessing:
        return ""
    return (
        f"{preprocessing['max_image_bytes']:,} bytes, {preprocessing['max_image_pixels']:,} pixels"
    )


def _pairs(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (values or {}).items() if value)


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
