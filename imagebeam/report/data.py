"""Builds the data of the page's script: classes, scores, pictures and time."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.report.contents import Contents
from imagebeam.report.counts import BINS, ClassCount
from imagebeam.report.grouping import Row
from imagebeam.report.timeline import Timeline

MOST_CLASSES = 25_000
_MOST_PICTURES = 12_000


@dataclass(frozen=True)
class Original:
    """The picture itself, as far as the page can show it.

    Attributes:
        thumbnail: an encoded picture, as a `data:` URI.
        link: an address of scheme file, http or https; empty where there is none.
    """

    thumbnail: str
    link: str = ""


def data(
    contents: Contents, originals: Mapping[str, Original], timeline: Timeline | None
) -> dict[str, Any]:
    """Return the data of a page; control characters in names are escaped.

    Args:
        contents: of the output.
        originals: by URI; missing pictures are shown by name.
        timeline: None where it has too little to draw.
    """
    rows = by_importance(contents)[:_MOST_PICTURES]
    places = {row["uri"]: place for place, row in enumerate(rows)}
    listed = contents.classes[:MOST_CLASSES]
    positions = {count.name: position for position, count in enumerate(listed)}
    left = sum(count.images for count in contents.classes[MOST_CLASSES:])
    return {
        "bins": BINS,
        "all": _count(contents.all_classes, places),
        "classes": [_count(count, places) for count in listed],
        "classes_left": f" Smaller classes, with {left:,} images together, are not listed."
        if left
        else "",
        "pictures": [_picture(row, originals.get(row["uri"])) for row in rows],
        "images": contents.images.data(positions),
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


def _picture(row: Row, original: Original | None) -> dict[str, Any]:
    folder, _, file = escape_control_chars(row["uri"]).rpartition("/")
    score = row.get("score")
    return {
        "file": file,
        "folder": folder,
        "label": escape_control_chars(row.get("label", "")),
        "score": None if score is None or not math.isfinite(score) else round(score, 4),
        "width": row["width"],
        "height": row["height"],
        "thumbnail": original.thumbnail if original else "",
        "link": original.link if original else "",
    }


def by_importance(contents: Contents) -> list[Row]:
    """Return every picture once: those of all classes, then the first of each class, and so on."""
    rows = [*_in_turn([contents.all_classes]), *_in_turn(contents.classes)]
    return list({row["uri"]: row for row in rows}.values())


def _in_turn(counts: Sequence[ClassCount]) -> Iterator[Row]:
    ways = [
        rows
        for way in ("sample", "least_sure", "most_sure")
        for count in counts
        for rows in [getattr(count.pictures, way)]
    ]
    for places in zip_longest(*ways):
        yield from (row for row in places if row is not None)
