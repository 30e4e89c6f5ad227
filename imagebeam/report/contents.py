"""Count the contents of an output in one pass over its parts, in bounded memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from imagebeam.outputs import identity, lock
from imagebeam.outputs.account import Plan, read_plan
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.outputs.summary import read_summary
from imagebeam.report.breakdown import Breakdown
from imagebeam.report.counts import ClassCount, ClassStats, ErrorGroup, ErrorGroups
from imagebeam.report.file_dates import FileDates
from imagebeam.report.part_rows import PartRows
from imagebeam.report.timeline import PartTime
from imagebeam.storage import AnyPath

_Document = TypeVar("_Document")


class Sink(Protocol):
    """Takes all rows of an output, batch by batch."""

    def add(self, rows: pa.RecordBatch) -> None:
        """Take a batch of rows, with the columns `uri`, `written`, and those of the job.

        Labelled rows also have `date`, as in `FileDates`, and `row`: their number, from 0.
        """


@dataclass(frozen=True)
class Contents:
    """An output, counted.

    Attributes:
        summary: None where the job is not complete.
        plan: what the latest run requested; None where that is unknown.
        provenance: module, engine, preprocessing and versions.
        all_classes: the rows of predictions.
        classes: the same by class; empty where the job wrote no labels.
        failures: the rows of errors, by code.
        breakdown: the rows by folder and by year.
        dates_skipped: local files whose date was not looked up for lack of time.
        parts: one entry per part, in no order.
        is_running: whether a run writes to it, in a process of this machine or on a cluster.
        findings: problems of the output, one sentence each.
    """

    layout: Layout
    identity: Mapping[str, Any]
    summary: Mapping[str, Any] | None
    plan: Plan | None
    provenance: Mapping[str, Any]
    all_classes: ClassCount
    classes: Sequence[ClassCount]
    failures: Sequence[ErrorGroup]
    breakdown: Breakdown
    dates_skipped: int
    parts: Sequence[PartTime]
    is_running: bool
    findings: Sequence[str]

    @property
    def labelled(self) -> int:
        """Return the number of rows in predictions."""
        return self.all_classes.images

    @property
    def failed(self) -> int:
        """Return the number of rows in errors."""
        return sum(failure.images for failure in self.failures)


def read(
    root: AnyPath,
    images: Sequence[Sink] = (),
    failures: Sequence[Sink] = (),
    dates: FileDates | None = None,
) -> Contents:
    """Count an output. Damaged files become findings and are skipped.

    Args:
        images: get all labelled rows.
        failures: get all failed rows.
        dates: looks up when files were modified.

    Raises:
        OutputError: the folder is not an output.
    """
    layout, claimed = identity.read(root)
    schema = PredictionSchema(tuple(claimed["emit"]), 0, None, {}).arrow()
    rows = PartRows(layout, schema)
    summary = _document(layout, layout.summary, read_summary, rows.findings)
    plan = _document(layout, layout.plan, read_plan, rows.findings)
    dates = dates or FileDates()
    classes, errors, breakdown = ClassStats(), ErrorGroups(), Breakdown()
    image_sinks: Sequence[Sink] = (classes, breakdown, *images)
    for batch in _with_dates(rows.predictions(), dates):
        for sink in image_sinks:
            sink.add(batch)
    failure_sinks: Sequence[Sink] = (errors, breakdown, *failures)
    for batch in rows.errors():
        for sink in failure_sinks:
            sink.add(batch)
    counted = sum(part.rows for part in rows.parts)
    if summary is not None and counted != summary["rows"]:
        rows.findings.append(
            f"{counted:,} rows were counted, but the summary states {summary['rows']:,}. "
            "Run `imagebeam verify` for details."
        )
    return Contents(
        layout=layout,
        identity=claimed,
        summary=summary,
        plan=plan,
        provenance={**claimed, **(summary or rows.provenance)},
        all_classes=classes.all_classes(),
        classes=classes.classes(),
        failures=errors.by_code(),
        breakdown=breakdown,
        dates_skipped=dates.skipped,
        parts=rows.parts,
        is_running=lock.is_held(layout) or bool(RunToken.unfinished_remote(layout)),
        findings=rows.findings,
    )


def _document(
    layout: Layout, path: AnyPath, read: Callable[[Layout], _Document | None], findings: list[str]
) -> _Document | None:
    """Return a JSON document of the output; None where it is missing or damaged."""
    try:
        return read(layout)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        findings.append(f"{path}: damaged: {error}")
        return None


def _with_dates(batches: Iterable[pa.RecordBatch], dates: FileDates) -> Iterator[pa.RecordBatch]:
    """Add the columns `date` and `row` to labelled rows."""
    place = 0
    for batch in batches:
        found = pa.array(dates.of(batch["uri"].to_pylist()))
        numbers = pa.array(np.arange(place, place + batch.num_rows))
        place += batch.num_rows
        yield batch.append_column("date", found).append_column("row", numbers)
