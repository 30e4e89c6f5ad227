"""What the page's script shows: classes, scores, pictures and time, as JSON of bounded size."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagebeam.report import pictures
from imagebeam.report.class_stats import BINS, ClassCount
from imagebeam.report.contents import Contents
from imagebeam.report.escape_control_chars import visible
from imagebeam.report.smallest_per_group import Row
from imagebeam.report.timeline import Timeline

MOST_CLASSES = 25_000
_MOST_PICTURES = 12_000


@dataclass(frozen=True)
class Original:
    """What could be had of a picture itself.

    Attributes:
        thumbnail: an encoded picture, as a `data:` URI.
        link: an address of scheme file, http or https; empty where none can be given.
    """

    thumbnail: str
    link: str = ""


def data(
    contents: Contents, originals: Mapping[str, Original], timeline: Timeline | None
) -> dict[str, Any]:
    """The data of a page; every name in it is fit to be shown.

    Args:
        contents: what was counted.
        originals: by URI; pictures that are missing are shown by name.
        timeline: None where there is none to draw.
    """
    rows = pictures.by_importance(contents)[:_MOST_PICTURES]
    places = {row["uri"]: place for place, row in enumerate(rows)}
    listed = contents.classes[:MOST_CLASSES]
    left = sum(count.images for count in contents.classes[MOST_CLASSES:])
    return {
        "bins": BINS,
        "all": _count(contents.all_classes, places),
        "classes": [_count(count, places) for count in listed],
        "classes_left": f" The smaller ones, with {left:,} images, are left out." if left else "",
        "pictures": [_picture(row, originals.get(row["uri"])) for row in rows],
        "codes": [visible(failure.code) for failure in contents.failures],
        "timeline": timeline
        and {"start": timeline.start, "seconds": timeline.seconds, "images": timeline.images},
    }


def _count(count: ClassCount, places: Mapping[str, int]) -> dict[str, Any]:
    some = count.pictures
    return {
        "name": visible(count.name),
        "images": count.images,
        "mean": count.mean_score,
        "histogram": count.histogram,
        "pictures": [
            [places[row["uri"]] for row in rows if row["uri"] in places]
            for rows in (some.sample, some.least_sure, some.most_sure)
        ],
    }


def _picture(row: Row, original: Original | None) -> dict[str, Any]:
    folder, _, file = visible(row["uri"]).rpartition("/")
    score = row.get("score")
    return {
        "file": file,
        "folder": folder,
        "label": visible(row.get("label", "")),
        "score": None if score is None or not math.isfinite(score) else round(score, 4),
        "width": row["width"],
        "height": row["height"],
        "thumbnail": original.thumbnail if original else "",
        "link": original.link if original else "",
    }
