"""Build the data of the page's script: classes, scores, pictures and time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.report.contents import Contents
from imagebeam.report.counts import BINS, ClassCount
from imagebeam.report.grouping import Row
from imagebeam.report.timeline import Timeline

MOST_CLASSES = 25_000
_MOST_PICTURES = 8_000


@dataclass(frozen=True)
class RowList:
    """The place where the page finds a list of rows.

    Attributes:
        total: number of rows.
        held: number of rows that the page and its files hold.
        labels: names by number.
        files: addresses of files beside the page that hold rows, relative to it.
        is_served: whether the program answers requests of the page for rows.
    """

    total: int
    held: int
    labels: Sequence[str] = ()
    files: Sequence[str] = ()
    is_served: bool = False


def data(
    contents: Contents,
    thumbnails: Mapping[str, str],
    lists: Mapping[str, RowList],
    timeline: Timeline | None,
) -> dict[str, Any]:
    """Return the data of a page; control characters in names are escaped.

    Args:
        thumbnails: `data:` URIs by URI; other pictures are shown by name.
        lists: where the page finds the rows of all "images" and all "failures".
        timeline: None where it has too little to draw.
    """
    rows = by_importance(contents)[:_MOST_PICTURES]
    places = {row["uri"]: place for place, row in enumerate(rows)}
    listed = contents.classes[:MOST_CLASSES]
    left = sum(count.images for count in contents.classes[MOST_CLASSES:])
    return {
        "bins": BINS,
        "output": str(contents.layout.root),
        "all": _count(contents.all_classes, places),
        "classes": [_count(count, places) for count in listed],
        "classes_left": f" Smaller classes, with {left:,} images together, are not listed."
        if left
        else "",
        "pictures": [picture(row) | {"thumbnail": thumbnails.get(row["uri"], "")} for row in rows],
        "lists": {name: asdict(rows) for name, rows in lists.items()},
        "codes": [escape_control_chars(failure.code) for failure in contents.failures],
        "timeline": timeline
        and {"start": timeline.start, "seconds": timeline.seconds, "images": timeline.images},
    }


def _count(count: ClassCount, places: Mapping[str, int]) -> dict[str, Any]:
    some = count.pictures
    return {
        "name": escape_control_chars(count.name),
        "images": count.images,
        "mean": count.mean_score,
        "histogram": count.histogram,
        "pictures": [
            [places[row["uri"]] for row in rows if row["uri"] in places]
            for rows in (some.sample, some.least_sure, some.most_sure)
        ],
    }


def picture(row: Row) -> dict[str, Any]:
    """Return a labelled row as the page's script shows it."""
    score, name = row.get("score"), escape_control_chars(row["uri"])
    return {
        "path": row["uri"],
        "name": name,
        "row": row["row"],
        "label": escape_control_chars(row.get("label", "")),
        "score": None if score is None or not math.isfinite(score) else round(score, 4),
        "width": row["width"],
        "height": row["height"],
        "date": row["date"],
        "changed": row["date"] > row["written"],
        "top": [
            [escape_control_chars(entry["label"]), round(entry["score"], 3)]
            for entry in row.get("top_k", ())
        ],
    }


def by_importance(contents: Contents) -> list[Row]:
    """Return every picture once: those of all classes, then class by class, the largest first.

    All pictures of the random sample of a class come before those of the next one, so that a class
    whose turn has come is shown whole.
    """
    counts = (contents.all_classes, *contents.classes)
    rows = [row for count in counts for row in count.pictures.sample]
    for count in counts:
        rows += [*count.pictures.least_sure, *count.pictures.most_sure]
    return list({row["uri"]: row for row in rows}.values())
