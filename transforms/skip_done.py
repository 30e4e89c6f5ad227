"""ImageRef → ImageRef that have no row yet, and the Plan."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from results import parts
from results.account import Plan, uri_digest
from results.layout import Layout
from stores import location
from transforms.records import ImageRef

LABELLED, FAILED = "labelled", "failed"
_PLAN = "plan"
_PLANS_KEPT = 1000


@dataclass
class SkipDone(beam.PTransform):
    """Leaves each image once, and only if no earlier run wrote a row for it.

    Of two refs with one URI the first stays, by source and place. The answer is three: the refs
    to do, a PCollection of one `Plan` that counts what was asked for and what was left out, and
    the names of the files that were found, each with what its rows say.
    Shuffles URIs once: those asked for with those that stand in the output.

    Attributes:
        layout: of the output whose rows count as done.
    """

    layout: Layout

    def expand(self, refs: Any) -> Any:
        """PCollection of ImageRef → PCollections of ImageRef, of one Plan, of (file, outcome)."""
        found = (
            refs.pipeline
            | "Find parts" >> beam.Create([self.layout])
            | "Name parts" >> beam.FlatMap(finished_parts)
            | "Spread parts" >> beam.Reshuffle()
        )
        done = found | "Read done" >> beam.FlatMapTuple(read_part)
        asked = refs | "By URI" >> beam.Map(by_uri)
        sifted = (
            {"asked": asked, "done": done}
            | "Meet" >> beam.CoGroupByKey()
            | "Sift" >> beam.ParDo(_SiftFn()).with_outputs(_PLAN, main="to_do")
        )
        plan = sifted[_PLAN] | "Add up" >> beam.CombineGlobally(Plan.total)
        return sifted["to_do"], plan, found


def by_uri(ref: ImageRef) -> tuple[str, tuple[Any, ...]]:
    """The ref under the key that its like share."""
    return ref.uri, ref.plain()


def finished_parts(layout: Layout) -> Iterator[tuple[str, str]]:
    """The files of earlier runs, each with what its rows say of an image."""
    for part in layout.prediction_parts():
        yield str(part), LABELLED
    for part in layout.error_parts():
        yield str(part), FAILED


def read_part(part: str, outcome: str) -> Iterator[tuple[str, str]]:
    """The URIs in one file, each with its outcome."""
    read = parts.labelled_uris if outcome == LABELLED else parts.failed_uris
    for uri in read(location(part)):
        yield uri, outcome


class _SiftFn(beam.DoFn):
    """Decides for each URI, and counts. One Plan a bundle: as many as a retry makes anew."""

    def start_bundle(self) -> None:
        self._plans: list[Plan] = []

    def process(self, element: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[ImageRef]:
        uri, group = element
        asked = [ImageRef.from_plain(values) for values in group["asked"]]
        plan, ref = sift(uri, asked, set(group["done"]))
        self._plans.append(plan)
        if len(self._plans) == _PLANS_KEPT:
            self._plans = [Plan.total(self._plans)]
        if ref is not None:
            yield ref

    def finish_bundle(self) -> Iterator[Any]:
        window = GlobalWindow()
        total = WindowedValue(Plan.total(self._plans), window.max_timestamp(), [window])
        yield beam.pvalue.TaggedOutput(_PLAN, total)


def sift(uri: str, asked: list[ImageRef], done: set[str]) -> tuple[Plan, ImageRef | None]:
    """What one URI adds to the plan, and the ref to do if there is one."""
    labelled = LABELLED in done
    to_do = bool(asked) and not done
    plan = Plan(
        requested=len(asked),
        duplicates=max(len(asked) - 1, 0),
        already_labelled=int(bool(asked) and labelled),
        already_failed=int(bool(asked) and bool(done) and not labelled),
        to_do=int(to_do),
        rows=1,
        rows_digest=uri_digest(uri),
    )
    return plan, min(asked, key=lambda ref: (ref.source, ref.ordinal)) if to_do else None
