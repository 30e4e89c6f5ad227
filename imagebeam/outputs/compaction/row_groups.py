"""Collect batches of rows into the row groups of a Parquet file."""

from collections.abc import Iterator
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from imagebeam.outputs.parts import opened, parquet_options, readable
from imagebeam.storage import AnyPath

_BATCH_ROWS = 4096


class Sizes(NamedTuple):
    """Limits of a joined part: its bytes, and the rows and bytes of its row groups."""

    part_bytes: int
    group_rows: int
    group_bytes: int


class RowGroups:
    """The row groups of one file."""

    def __init__(self, file: IO[bytes], schema: pa.Schema, sizes: Sizes) -> None:
        options = parquet_options(sizes.group_rows, schema)
        self._writer = pq.ParquetWriter(file, schema, **options)
        self._schema = schema
        self._sizes = sizes
        self._clear()

    def __enter__(self) -> "RowGroups":
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None and self._rows:
            self._flush()
        self._writer.close()

    def append(self, part: AnyPath) -> int:
        """Append the rows of a part; return their number."""
        rows = 0
        for batch in readable(part, _batches(part)):
            self._batches.append(batch)
            self._rows += batch.num_rows
            self._bytes += batch.nbytes
            rows += batch.num_rows
            if self._bytes >= self._sizes.group_bytes or self._rows >= self._sizes.group_rows:
                self._flush()
        return rows

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._batches, self._schema)
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._clear()

    def _clear(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0


def _batches(part: AnyPath) -> Iterator[pa.RecordBatch]:
    with opened(part) as file:
        yield from file.iter_batches(_BATCH_ROWS, use_threads=False)
