"""Counts the contents of an output in one pass over its parts, in bounded memory."""

from collections.abc import Callable, Mapping, Sequence
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
        layout: of its folder.
        identity: of its job.
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
        root: of the output.
        images: get all labelled rows.
        failures: get all failed rows.
        dates: looks up when files were modified.

    Raises:
        OutputError: the folder is not an output.
    """
    layout, claimed = identity.read(root)
    schema = PredictionSchema(tuple(claimed["emit"]), 0, None, {}).arrow()
    dates = dates or FileDates()
    reading = _Reading(layout, schema, images, failures, dates)
    summary = reading.document(layout.summary, read_summary)
    plan = reading.document(layout.plan, read_plan)
    reading.read_parts()
    if summary is not None:
        reading.compare(summary)
    return Contents(
        layout=layout,
        identity=claimed,
        summary=summary,
        plan=plan,
        provenance={**claimed, **(summary or reading.rows.provenance)},
        all_classes=reading.class_stats.all_classes(),
        classes=reading.class_stats.classes(),
        failures=reading.error_groups.by_code(),
        breakdown=reading.breakdown,
        dates_skipped=dates.skipped,
        parts=reading.rows.parts,
        is_running=lock.is_held(layout) or bool(RunToken.unfinished_remote(layout)),
        findings=reading.findings,
    )


class _Reading:
    """Reads an output once; every problem becomes a finding."""

    def __init__(
        self,
        layout: Layout,
        schema: pa.Schema,
        images: Sequence[Sink],
        failures: Sequence[Sink],
        dates: FileDates,
    ) -> None:
        self._layout = layout
        self.rows = PartRows(layout, schema)
        self.findings = self.rows.findings
        self._images = images
        self._failures = failures
        self._dates = dates
        self.class_stats = ClassStats()
        self.error_groups = ErrorGroups()
        self.breakdown = Breakdown()

    def document(
        self, path: AnyPath, read: Callable[[Layout], _Document | None]
    ) -> _Document | None:
        """Return a JSON document of the output; None where it is missing or damaged."""
        try:
            return read(self._layout)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            self.findings.append(f"{path}: damaged: {error}")
            return None

    def read_parts(self) -> None:
        """Count the rows of all parts."""
        place = 0
        for batch in self.rows.predictions():
            dates = self._dates.of(batch["uri"].to_pylist())
            rows = batch.append_column("date", pa.array(dates)).append_column(
                "row", pa.array(np.arange(place, place + batch.num_rows))
            )
            place += batch.num_rows
            self.class_stats.count(rows)
            self.breakdown.count_labelled(rows)
            for sink in self._images:
                sink.add(rows)
        for batch in self.rows.errors():
            self.error_groups.count(batch)
            self.breakdown.count_failed(batch)
            for sink in self._failures:
                sink.add(batch)

    def compare(self, summary: Mapping[str, Any]) -> None:
        """Compare the counts with the summary of a complete job."""
        rows = sum(part.rows for part in self.rows.parts)
        if rows != summary["rows"]:
            self.findings.append(
                f"{rows:,} rows were counted, but the summary states {summary['rows']:,}. "
                "Run `imagebeam verify` for details."
            )
