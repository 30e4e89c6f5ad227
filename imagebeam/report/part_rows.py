"""Read the rows of an output's parts; every problem of a part becomes a finding."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from imagebeam.outputs import tfrecord_parts
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import opened
from imagebeam.outputs.provenance import provenance
from imagebeam.outputs.schema import ERRORS
from imagebeam.report.timeline import PartTime
from imagebeam.storage import AnyPath

_BATCH_ROWS = 1 << 16
_COLUMNS = ("uri", "width", "height", "label", "score", "top_k")
"""Columns of predictions that a report needs; vectors are not read."""


class PartRows:
    """Reads the parts of an output once.

    Attributes:
        parts: one entry per part, in no order.
        provenance: the provenance of the first part of predictions that states it.
        findings: problems, one sentence each.
    """

    def __init__(self, layout: Layout, schema: pa.Schema) -> None:
        self._layout = layout
        self._schema = schema
        self.parts: list[PartTime] = []
        self.provenance: dict[str, Any] = {}
        self.findings: list[str] = []

    def predictions(self) -> Iterator[pa.RecordBatch]:
        """Yield the labelled rows, with `written`: when their part was, in seconds since 1970."""
        return self._rows(self._layout.prediction_parts(), self._predictions)

    def errors(self) -> Iterator[pa.RecordBatch]:
        """Yield the failed rows, with `written` likewise."""
        return self._rows(self._layout.error_parts(), self._errors)

    def _rows(
        self, parts: Iterable[AnyPath], read: Callable[[AnyPath], Iterator[pa.RecordBatch]]
    ) -> Iterator[pa.RecordBatch]:
        # In the order of their names, so that the random sample is the same every time.
        return _joined(batch for part in sorted(parts) for batch in self._sound(part, read(part)))

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
                    written = pa.array(np.full(batch.num_rows, int(modified)))
                    yield batch.append_column("written", written)
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
            yield from _of_tfrecord(part, pa.schema(map(self._schema.field, names)))
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


def _of_tfrecord(part: AnyPath, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows = tfrecord_parts.rows(part)
    while some := list(islice(rows, _BATCH_ROWS)):
        if any(row.get(name) is None for row in some for name in schema.names):
            raise ValueError("a record lacks a value")
        yield pa.RecordBatch.from_pylist(some, schema)


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join small batches, because counting has a cost per batch and parts are small."""
    gathered: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        gathered.append(batch)
        rows += batch.num_rows
        if rows >= _BATCH_ROWS:
            yield _one(gathered)
            gathered, rows = [], 0
    if gathered:
        yield _one(gathered)


def _one(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    [batch] = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return batch
