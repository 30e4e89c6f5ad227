"""Page → Page with the images that have no row yet, and the Plan."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, groupby
from typing import Any, NamedTuple, TypeAlias

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from apache_beam.transforms.window import GlobalWindow
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from imagebeam.outputs import parts
from imagebeam.outputs.account import Plan
from imagebeam.outputs.digests import DIGEST, uri_digests
from imagebeam.outputs.layout import Layout
from imagebeam.storage import location
from imagebeam.transforms.elements import PAGE_SIZE, Page

LABELLED, FAILED = "labelled", "failed"
_PLAN = "plan"

_REQUESTED = np.dtype([("digest", DIGEST), ("source", "<u4"), ("ordinal", "<u8")])
_DONE = np.dtype([("digest", DIGEST), ("labelled", "?")])
_MAX_BUFFERED_ROWS = 1 << 16
"""Digests that a bundle collects before it sends them on."""

Rows: TypeAlias = npt.NDArray[np.void]
"""(N,) facts about N names, with the fields of `_REQUESTED` or `_DONE`."""

PageKey: TypeAlias = tuple[int, int]
"""Source and number of a page."""

Dropped: TypeAlias = tuple[PageKey, tuple[int, ...]]
"""A page and the ordinals to drop from it."""

Bucket: TypeAlias = tuple[int, bytes]
"""The first byte that some digests share, and their rows."""


class RemainingImages(NamedTuple):
    """The result of `SkipDone`.

    Attributes:
        pages: the images to do.
        plan: one `Plan`, which counts the requested and the skipped images.
        earlier_parts: the files of earlier runs, each with the outcome that its rows record.
    """

    pages: beam.PCollection[Page]
    plan: beam.PCollection[Plan]
    earlier_parts: beam.PCollection[tuple[str, str]]


@dataclass
class SkipDone(beam.PTransform):
    """Keeps each image once, and only if no earlier run wrote a row for it.

    Of several images with one URI the first is kept, by source and position. Shuffles the digests
    of the requested URIs once, together with those in the output, and the pages once, together
    with the images to drop from them.

    Attributes:
        layout: the layout of the output whose rows count as done.
        provenance: the provenance of the job; parts that another job wrote are refused.
    """

    layout: Layout
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @no_annotations  # Beam takes hints only from a single PCollection.
    def expand(self, pages: beam.PCollection[Page]) -> RemainingImages:
        """Skip the images that are done."""
        done = partial(done_rows, dict(self.provenance))
        earlier_parts = (
            pages.pipeline
            | "Output" >> beam.Create([self.layout])
            | "ListParts" >> beam.FlatMap(finished_parts)
            | "ReshuffleParts" >> beam.Reshuffle()
        )
        split = (
            {
                "requested": pages | "DigestRequested" >> beam.ParDo(_DigestFn(requested_rows)),
                "done": earlier_parts | "DigestDone" >> beam.ParDo(_DigestFn(done)),
            }
            | "JoinDigests" >> beam.CoGroupByKey()
            | "SplitDone"
            >> beam.FlatMapTuple(split_done)
            .with_output_types(Dropped)
            .with_outputs(_PLAN, main="dropped")
        )
        remaining_pages = (
            {
                "pages": pages | "KeyByPage" >> beam.Map(key_by_page),
                "dropped": split["dropped"],
            }
            | "JoinPages" >> beam.CoGroupByKey()
            | "DropDone" >> beam.FlatMapTuple(drop_done).with_output_types(Page)
        )
        listing = pages | "CountListing" >> beam.Map(count_listing)
        plan = (
            (split[_PLAN], listing)
            | "PartialPlans" >> beam.Flatten()
            | "AddUpPlan" >> beam.CombineGlobally(Plan.total)
        )
        return RemainingImages(remaining_pages, plan, earlier_parts)


def finished_parts(layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield the files of earlier runs, each with the outcome that its rows record."""
    for part in layout.prediction_parts():
        yield str(part), LABELLED
    for part in layout.error_parts():
        yield str(part), FAILED


def count_listing(page: Page) -> Plan:
    """Return the share of a page in the plan, apart from its digests."""
    left_out = sum(count for count, _ in page.left_out.values())
    return Plan(seen=len(page.images) + left_out, left_out=page.left_out, costs=page.costs)


def done_rows(provenance: Mapping[str, Any], part_and_outcome: tuple[str, str]) -> Rows:
    """Return the digests of the names in one file."""
    part, outcome = part_and_outcome
    digests = uri_digests(parts.uris(location(part), provenance))
    rows = np.empty(len(digests), _DONE)
    rows["digest"], rows["labelled"] = digests, outcome == LABELLED
    return rows


def requested_rows(page: Page) -> Rows:
    """Return the digests of the names on one page."""
    rows = np.empty(len(page.images), _REQUESTED)
    rows["digest"] = uri_digests(image.uri for image in page.images)
    rows["source"] = page.source
    rows["ordinal"] = [image.ordinal for image in page.images]
    return rows


class _DigestFn(beam.DoFn):
    """Sends digests on by bucket, one element per bucket with as many rows as a bundle has."""

    def __init__(self, rows_of: Callable[[Any], Rows]) -> None:
        self._rows_of = rows_of

    def start_bundle(self) -> None:
        self._buffer: list[Rows] = []

    def process(self, element: Any) -> Iterator[Bucket]:
        self._buffer.append(self._rows_of(element))
        if sum(map(len, self._buffer)) >= _MAX_BUFFERED_ROWS:
            yield from buckets(self._buffer)
            self._buffer = []

    def finish_bundle(self) -> Iterator[Any]:
        window = GlobalWindow()
        for bucket in buckets(self._buffer):
            yield WindowedValue(bucket, window.max_timestamp(), [window])


def buckets(buffer: list[Rows]) -> Iterator[Bucket]:
    """Yield all rows by bucket."""
    if not buffer:
        return
    rows = np.concatenate(buffer)
    first_bytes = rows["digest"].astype("S1").view(np.uint8)
    order = np.argsort(first_bytes, kind="stable")
    keys, starts = np.unique(first_bytes[order], return_index=True)
    for key, group in zip(keys, np.split(rows[order], starts[1:]), strict=True):
        yield int(key), group.tobytes()


def split_done(bucket: int, joined: dict[str, Iterable[bytes]]) -> Iterator[Any]:
    """Yield the images of one bucket to drop from each page, and a plan that counts them."""
    requested, done = _rows(joined["requested"], _REQUESTED), _rows(joined["done"], _DONE)
    requested = requested[np.lexsort((requested["ordinal"], requested["source"]))]
    names, firsts = np.unique(requested["digest"], return_index=True)
    labelled = np.unique(done["digest"][done["labelled"]])
    failed = np.setdiff1d(done["digest"], labelled)
    already_labelled, already_failed = np.isin(names, labelled), np.isin(names, failed)
    to_do = ~(already_labelled | already_failed)
    all_names = np.union1d(names, done["digest"])
    plan = Plan(
        requested=len(requested),
        duplicates=len(requested) - len(names),
        already_labelled=int(already_labelled.sum()),
        already_failed=int(already_failed.sum()),
        to_do=int(to_do.sum()),
        rows=len(all_names),
        rows_digest=_sum(all_names),
    )
    yield beam.pvalue.TaggedOutput(_PLAN, plan)
    yield from _dropped(np.delete(requested, firsts[to_do]))


def _rows(packed: Iterable[bytes], kind: np.dtype[np.void]) -> Rows:
    return np.frombuffer(b"".join(packed), kind)


def _sum(digests: npt.NDArray[np.bytes_]) -> int:
    """Return the sum of the digests as big-endian numbers."""
    words = digests.view(">u4").reshape(-1, 4).sum(axis=0, dtype=np.uint64)
    return sum(int(word) << 32 * place for place, word in enumerate(reversed(words)))


def _dropped(rows: Rows) -> Iterator[Dropped]:
    positions = zip(rows["source"].tolist(), rows["ordinal"].tolist(), strict=True)
    for page, members in groupby(positions, key=lambda at: (at[0], at[1] // PAGE_SIZE)):
        yield page, tuple(ordinal for _, ordinal in members)


def key_by_page(page: Page) -> tuple[PageKey, Page]:
    """Return a page under its key."""
    return (page.source, page.number), page


def drop_done(key: PageKey, joined: dict[str, Iterable[Any]]) -> Iterator[Page]:
    """Yield the page without its dropped images, if any image remains."""
    dropped = set(chain.from_iterable(joined["dropped"]))
    for page in joined["pages"]:
        images = tuple(image for image in page.images if image.ordinal not in dropped)
        if images:
            yield Page(*key, images)
