"""Count the rows of an output while its job runs, on any runner and from any process."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from imagebeam.outputs import tfrecord_parts
from imagebeam.outputs.account import Plan, read_plan
from imagebeam.outputs.errors import DamagedPartError
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.listing_count import listed_images
from imagebeam.outputs.parts import opened, readable
from imagebeam.storage import AnyPath

_OPENED_AT_ONCE = 16

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """Counts since the watch began.

    Attributes:
        plan: the plan of the latest run; None while images are still being listed.
        labelled: images with a row in predictions.
        failed: images with a row in errors, by code.
        listed: images found so far, while they are being listed; 0 if not known yet.
    """

    plan: Plan | None
    labelled: int
    failed: Mapping[str, int]
    listed: int = 0

    @property
    def done(self) -> int:
        """Return the number of images with a row."""
        return self.labelled + sum(self.failed.values())


class ProgressWatcher:
    """Counts the rows of parts that appear in an output. Every part is opened once.

    Args:
        and_earlier: count the parts that exist already, too, and refuse damaged ones. Otherwise
            those are left out: a file that appears beside a running job must not end it.
    """

    def __init__(self, layout: Layout, and_earlier: bool = False) -> None:
        self._layout = layout
        self._refuses_damage = and_earlier
        earlier = () if and_earlier else (*layout.prediction_parts(), *layout.error_parts())
        self._seen = set(earlier)
        self._labelled = 0
        self._failed: Counter[str] = Counter()
        # Opening a part in a store takes time. One after the other, many workers would be faster.
        self._pool = ThreadPoolExecutor(_OPENED_AT_ONCE)

    def look(self) -> Progress:
        """Return the progress up to now.

        Raises:
            DamagedPartError: a part cannot be read.
            ValueError: the plan is damaged.
            ConnectionError: the store does not answer.
        """
        self._labelled += sum(self._new(self._layout.prediction_parts(), _rows))
        for codes in self._new(self._layout.error_parts(), _codes):
            self._failed.update(codes)
        plan = read_plan(self._layout)
        listed = listed_images(self._layout) if plan is None else 0
        return Progress(plan, self._labelled, dict(self._failed), listed)

    def _new(self, parts: Iterator[AnyPath], read: Callable[[AnyPath], T]) -> Iterator[T]:
        new = [part for part in parts if part not in self._seen]
        for part, found in zip(new, self._pool.map(partial(self._read, read), new), strict=True):
            if found is not None:
                self._seen.add(part)
                yield found

    def _read(self, read: Callable[[AnyPath], T], part: AnyPath) -> T | None:
        try:
            return next(readable(part, map(read, (part,))))
        except DamagedPartError as error:
            # A part may be gone by now: a shard that is done again removes its earlier files.
            if self._refuses_damage and not isinstance(error.__cause__, FileNotFoundError):
                raise
            return None


def error_counts(layout: Layout) -> Mapping[str, int]:
    """Count the rows in errors by code."""
    counts: Counter[str] = Counter()
    with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:
        for codes in pool.map(_codes, layout.error_parts()):
            counts.update(codes)
    return counts


def bytes_needed(layout: Layout) -> int | None:
    """Estimate the bytes of the rows that are still missing, by the size of those that exist.

    Returns:
        None if there are no rows to go by, or the number of images is not known yet.
    """
    progress = ProgressWatcher(layout, and_earlier=True).look()
    if progress.plan is None or not progress.done:
        return None
    found = layout.part_stats().values()
    written = sum(stat.st_size for folder in found for stat in folder.values())
    return max(progress.plan.rows - progress.done, 0) * written // progress.done


def _rows(part: AnyPath) -> int:
    if part.suffix == ".tfrecord":
        return tfrecord_parts.count(part)
    with opened(part) as file:
        return int(file.metadata.num_rows)


def _codes(part: AnyPath) -> list[str]:
    with opened(part) as file:
        return list(file.read(columns=["code"])["code"].to_pylist())
