"""Which pictures a page shows, the most telling first."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from imagebeam.report.class_stats import ClassCount
from imagebeam.report.contents import Contents
from imagebeam.report.smallest_per_group import Row


def by_importance(contents: Contents) -> list[Row]:
    """Each picture once: those of all classes, then a first one of each class, and so on."""
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
