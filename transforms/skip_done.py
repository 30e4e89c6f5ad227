"""Page → Page of images that have no row yet, and the Plan."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any, TypeAlias

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from imagebeam.outputs import parts
from imagebeam.outputs.account import Plan, uri_digest
from imagebeam.outputs.layout import Layout
from imagebeam.storage import location
from imagebeam.transforms.elements import PAGE_SIZE, Page

LABELLED, FAILED = "labelled", "failed"
_PLAN = "plan"

_DIGEST = "S16"
_ASKED = np.dtype([("digest", _DIGEST), ("source", "<u4"), ("ordinal", "<u8")])
_DONE = np.dtype([("digest", _DIGEST), ("labelled", "?")])
_MOST_ROWS = 1 << 16
"""Names whose digests wait for more of their bucket."""

Rows: TypeAlias = npt.NDArray[np.void]
"""(N,) of what is known of N names, in the fields of `_ASKED` or `_DONE`."""

LeftOut: TypeAlias = tuple[tuple[int, int], tuple[int, ...]]
"""A page's key, and ordinals that are left out of it."""

Packed: TypeAlias = tuple[int, bytes]
"""A bucket, which is the first byte of its digests, and rows of it."""


@dataclass
class SkipDone(beam.PTransform):
    """Leaves each image once, and only if no earlier run wrote a row for it.

    Of two images with one URI the first stays, by source and place. The answer is three: the pages
    of images to do, a PCollection of one `Plan` that counts what was asked for and what was left
    out, and the names of the files that were found, each with what its rows say.
    Shuffles digests of URIs once, those asked for with those that stand in the output, and the
    pages once, with what is left out of them.

    Attributes:
        layout: of the output whose rows count as done.
    """

    layout: Layout

    def expand(self, pages: Any) -> Any:
        """PCollection of Page → PCollections of Page, of one Plan, of (file, outcome)."""
        found = (
            pages.pipeline
            | "Find parts" >> beam.Create([self.layout])
            | "Name parts" >> beam.FlatMap(finished_parts)
            | "Spread parts" >> beam.Reshuffle()
        )
        done = found | "Digest done" >> beam.ParDo(_PackFn(done_rows))
        asked = pages | "Digest asked" >> beam.ParDo(_PackFn(asked_rows))
        sifted = (
            {"asked": asked, "done": done}
            | "Meet" >> beam.CoGroupByKey()
            | "Sift"
            >> beam.FlatMapTuple(sift)
            .with_output_types(LeftOut)
            .with_outputs(_PLAN, main="left_out")
        )
        to_do = (
            {"pages": pages | "By page" >> beam.Map(by_page), "left_out": sifted["left_out"]}
            | "Leave out" >> beam.CoGroupByKey()
            | "What remains" >> beam.FlatMapTuple(remaining).with_output_types(Page)
        )
        listed = pages | "Counts of listing" >> beam.Map(counts_of_listing)
        plans = (sifted[_PLAN], listed) | "Parts of the plan" >> beam.Flatten()
        plan = plans | "Add up" >> beam.CombineGlobally(Plan.total)
        return to_do, plan, found


def finished_parts(layout: Layout) -> Iterator[tuple[str, str]]:
    """The files of earlier runs, each with what its rows say of an image."""
    for part in layout.prediction_parts():
        yield str(part), LABELLED
    for part in layout.error_parts():
        yield str(part), FAILED


def counts_of_listing(page: Page) -> Plan:
    """Return what the plan counts of a page besides its names."""
    left_out = sum(count for count, _ in page.left_out.values())
    return Plan(seen=len(page.images) + left_out, left_out=page.left_out, costs=page.costs)


def done_rows(found: tuple[str, str]) -> Rows:
    """The names in one file."""
    part, outcome = found
    read = parts.labelled_uris if outcome == LABELLED else parts.failed_uris
    digests = _digests(read(location(part)))
    rows = np.empty(len(digests), _DONE)
    rows["digest"], rows["labelled"] = digests, outcome == LABELLED
    return rows


def asked_rows(page: Page) -> Rows:
    """The names on one page."""
    rows = np.empty(len(page.images), _ASKED)
    rows["digest"] = _digests(image.uri for image in page.images)
    rows["source"] = page.source
    rows["ordinal"] = [image.ordinal for image in page.images]
    return rows


def _digests(names: Iterable[str]) -> npt.NDArray[np.bytes_]:
    return np.frombuffer(b"".join(uri_digest(name).to_bytes(16, "big") for name in names), _DIGEST)


class _PackFn(beam.DoFn):
    """Sends rows of digests on by buckets: one element for each, of as many rows as come."""

    def __init__(self, rows_of: Callable[[Any], Rows]) -> None:
        self._rows_of = rows_of

    def start_bundle(self) -> None:
        self._waiting: list[Rows] = []

    def process(self, element: Any) -> Iterator[Packed]:
        self._waiting.append(self._rows_of(element))
        if sum(map(len, self._waiting)) >= _MOST_ROWS:
            yield from packed(self._waiting)
            self._waiting = []

    def finish_bundle(self) -> Iterator[Any]:
        window = GlobalWindow()
        for each in packed(self._waiting):
            yield WindowedValue(each, window.max_timestamp(), [window])


def packed(waiting: list[Rows]) -> Iterator[Packed]:
    """All rows, by buckets."""
    if not waiting:
        return
    rows = np.concatenate(waiting)
    buckets = rows["digest"].astype("S1").view(np.uint8)
    order = np.argsort(buckets, kind="stable")
    found, starts = np.unique(buckets[order], return_index=True)
    for bucket, part in zip(found, np.split(rows[order], starts[1:]), strict=True):
        yield int(bucket), part.tobytes()


def sift(bucket: int, met: dict[str, Iterable[bytes]]) -> Iterator[Any]:
    """What is left out of which page of those whose names meet here, and what that counts."""
    asked, done = _unpacked(met["asked"], _ASKED), _unpacked(met["done"], _DONE)
    asked = asked[np.lexsort((asked["ordinal"], asked["source"]))]
    names, firsts = np.unique(asked["digest"], return_index=True)
    labelled = np.unique(done["digest"][done["labelled"]])
    failed = np.setdiff1d(done["digest"], labelled)
    already_labelled, already_failed = np.isin(names, labelled), np.isin(names, failed)
    to_do = ~(already_labelled | already_failed)
    rows = np.union1d(names, done["digest"])
    plan = Plan(
        requested=len(asked),
        duplicates=len(asked) - len(names),
        already_labelled=int(already_labelled.sum()),
        already_failed=int(already_failed.sum()),
        to_do=int(to_do.sum()),
        rows=len(rows),
        rows_digest=_sum(rows),
    )
    yield beam.pvalue.TaggedOutput(_PLAN, plan)
    yield from _left_out(np.delete(asked, firsts[to_do]))


def _unpacked(packed: Iterable[bytes], kind: np.dtype[np.void]) -> Rows:
    return np.frombuffer(b"".join(packed), kind)


def _sum(digests: npt.NDArray[np.bytes_]) -> int:
    """What they add up to, each a big-endian number."""
    words = digests.view(">u4").reshape(-1, 4).sum(axis=0, dtype=np.uint64)
    return sum(int(word) << 32 * place for place, word in enumerate(reversed(words)))


def _left_out(rows: Rows) -> Iterator[LeftOut]:
    places = zip(rows["source"].tolist(), rows["ordinal"].tolist(), strict=True)
    for page, members in groupby(places, key=lambda place: (place[0], place[1] // PAGE_SIZE)):
        yield page, tuple(ordinal for _, ordinal in members)


def by_page(page: Page) -> tuple[tuple[int, int], Page]:
    """Return a page under its key."""
    return (page.source, page.number), page


def remaining(key: tuple[int, int], met: dict[str, Iterable[Any]]) -> Iterator[Page]:
    """Return the page without the images that are left out of it, if any remain."""
    left_out = set(chain.from_iterable(met["left_out"]))
    for page in met["pages"]:
        images = tuple(image for image in page.images if image.ordinal not in left_out)
        if images:
            yield Page(*key, images)
