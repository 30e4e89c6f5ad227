"""Counts the contents of an output in one pass over its parts, in bounded memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from imagebeam.outputs import identity, lock, tfrecord_parts
from imagebeam.outputs.account import Plan, read_plan, read_summary
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import opened
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import ERRORS, PredictionSchema, provenance
from imagebeam.report.counts import ClassCount, ClassStats, ErrorGroup, ErrorGroups
from imagebeam.report.image_list import ImageList
from imagebeam.report.timeline import PartTime
from imagebeam.storage import AnyPath

_BATCH_ROWS = 1 << 16
_COLUMNS = ("uri", "width", "height", "label", "score")
"""Columns of predictions that a report needs; vectors and lists are not read."""

_Document = TypeVar("_Document")


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
        images: names of labelled images, as many as a page can hold.
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
    images: ImageList
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


def read(root: AnyPath) -> Contents:
    """Count an output. Damaged files become findings and are skipped.

    Raises:
        OutputError: the folder is not an output.
    """
    layout, claimed = identity.read(root)
    reading = _Reading(layout, PredictionSchema(tuple(claimed["emit"]), 0, None, {}).arrow())
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
        provenance={**claimed, **(summary or reading.provenance)},
        all_classes=reading.class_stats.all_classes(),
        classes=reading.class_stats.classes(),
        failures=reading.error_groups.by_code(),
        images=reading.images,
        parts=reading.parts,
        is_running=lock.is_held(layout) or bool(RunToken.unfinished_remote(layout)),
        findings=reading.findings,
    )


class _Reading:
    """Reads an output once; every problem becomes a finding."""

    def __init__(self, layout: Layout, schema: pa.Schema) -> None:
        self._layout = layout
        self._schema = schema
        self.class_stats = ClassStats()
        self.error_groups = ErrorGroups()
        self.images = ImageList()
        self.parts: list[PartTime] = []
        self.provenance: dict[str, Any] = {}
        self.findings: list[str] = []

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
        # In the order of their names, so that the random sample is the same every time.
        predictions = (
            batch
            for part in sorted(self._layout.prediction_parts())
            for batch in self._sound(part, self._predictions(part))
        )
        for rows in _joined(predictions):
            self.class_stats.count(rows)
            self.images.add(rows)
        errors = (
            batch
            for part in sorted(self._layout.error_parts())
            for batch in self._sound(part, self._errors(part))
        )
        for rows in _joined(errors):
            self.error_groups.count(rows)

    def compare(self, summary: Mapping[str, Any]) -> None:
        """Compare the counts with the summary of a complete job."""
        rows = sum(part.rows for part in self.parts)
        if rows != summary["rows"]:
            self.findings.append(
                f"{rows:,} rows were counted, but the summary states {summary['rows']:,}. "
                "Run `imagebeam verify` for details."
            )

    def _sound(self, part: AnyPath, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches of a part up to where it is damaged."""
        rows = 0
        try:
            modified = part.stat().st_mtime
            for batch in batches:
                if batch.num_rows:
                    # Otherwise names that are not UTF-8 would fail later, where they are shown.
                    batch.validate(full=True)
                    rows += batch.num_rows
                    yield batch
        except FileNotFoundError:
            # A shard that is done again takes away what it left before.
            return
        except ConnectionError:
            # A store that gives no answer says nothing about the part.
            raise
        # A planted or damaged file may fail in every way that a library knows.
        except Exception as error:
            self.findings.append(f"{part}: damaged: {error}")
        if rows:
            self.parts.append(PartTime(modified, rows))

    def _predictions(self, part: AnyPath) -> Iterator[pa.RecordBatch]:
        names = [name for name in _COLUMNS if name in self._schema.names]
        if part.suffix == ".tfrecord":
            yield from tfrecord_parts.batches(part, names, _BATCH_ROWS)
            return
        with opened(part) as file:
            if not self._is_ours(part, file.schema_arrow, self._schema):
                return
            self.provenance = self.provenance or provenance(file.schema_arrow)
            yield from file.iter_batches(_BATCH_ROWS, columns=names)

    def _errors(self, part: AnyPath) -> Iterator[pa.RecordBatch]:
        with opened(part) as file:
            if self._is_ours(part, file.schema_arrow, ERRORS):
                yield from file.iter_batches(_BATCH_ROWS, columns=ERRORS.names)

    def _is_ours(self, part: AnyPath, found: pa.Schema, expected: pa.Schema) -> bool:
        # The --keep columns may follow.
        if [*found][: len(expected)] != [*expected]:
            self.findings.append(f"{part}: its columns are not the expected ones")
            return False
        return True


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join small batches, because counting has a cost per batch and parts are small."""
    gathered: list[pa.RecordBatch] = []
    for batch in batches:
        gathered.append(batch)
        if sum(part.num_rows for part in gathered) >= _BATCH_ROWS:
            yield _one(gathered)
            gathered = []
    if gathered:
        yield _one(gathered)


def _one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    [batch] = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return batch
