"""Rows of Parquet and Arrow files in batches, within limits.

The cost of a file is bounded before Arrow decompresses it: by the number of rows that it claims, by
the sizes in the headers of pages, and by reading few rows at once where each may be a copy of a
large value in a dictionary.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from imagebeam.images.containers.column_types import is_text
from imagebeam.images.containers.errors import (
    ContainerLimitError,
    DamagedContainerError,
    UnsupportedContainerError,
)
from imagebeam.images.containers.parquet_footer import row_groups
from imagebeam.images.containers.parquet_pages import page_sizes
from imagebeam.images.containers.types import ContainerLimits

_ROWS_AT_ONCE = 16_384
_BATCH_BYTES = 100_000_000

_FREE_ROWS = 1_000_000
"""Rows that a file may have however small it is. Beyond it, each row needs a byte."""

_ARROW_MAGIC = b"ARROW1"
"""The beginning of a file; a stream, as the caches of Hugging Face hold it, has none."""


def parquet_batches(
    file: IO[bytes], names: Sequence[str], limits: ContainerLimits
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file with these columns."""
    table = pq.ParquetFile(file)
    check_rows(table.metadata.num_rows, file.seek(0, io.SEEK_END))
    for group, chunks in enumerate(row_groups(file)):
        if not table.metadata.row_group(group).num_rows:
            continue
        # A row holds no more than the largest value of each dictionary.
        largest = sum(page_sizes(file, chunks, name, limits).dictionary for name in names)
        at_once = rows_at_once(largest, _ROWS_AT_ONCE, _BATCH_BYTES)
        yield from table.iter_batches(at_once, row_groups=[group], columns=list(names))


def arrow_batches(file: IO[bytes], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of an Arrow file with these columns."""
    count, size = 0, file.seek(0, io.SEEK_END)
    for batch in open_arrow(file, names)[1]:
        count += batch.num_rows
        check_rows(count, size)
        at_once = rows_at_once(sum(map(_largest, batch.columns)), _ROWS_AT_ONCE, _BATCH_BYTES)
        for start in range(0, batch.num_rows, at_once):
            yield batch.slice(start, at_once)


def open_arrow(
    file: IO[bytes], names: Sequence[str] | None = None
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the schema of an Arrow file or stream, and its batches with these columns, or all."""
    file.seek(0)
    is_file = file.read(len(_ARROW_MAGIC)) == _ARROW_MAGIC
    open_table = pa.ipc.open_file if is_file else pa.ipc.open_stream
    file.seek(0)
    reader = open_table(file)
    if names is not None:
        columns = [at for at, field in enumerate(reader.schema) if field.name in names]
        file.seek(0)
        reader = open_table(file, options=pa.ipc.IpcReadOptions(included_fields=columns))
    found = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
    return reader.schema, map(_validated, found)


def check_rows(rows: int, size: int) -> None:
    """Raise ContainerLimitError if a file of so many bytes must not have so many rows."""
    if rows > max(_FREE_ROWS, size):
        raise ContainerLimitError(f"it claims {rows:,} rows in {size:,} bytes")


def rows_at_once(largest: int, most: int, batch_bytes: int) -> int:
    """Return how many rows to read together if each may take so many bytes."""
    return max(1, min(most, batch_bytes // max(largest, 1)))


@contextmanager
def named_damage(prefix: str = "") -> Iterator[None]:
    """Raise what Arrow finds as an error of the container; its text starts with `prefix`."""
    try:
        yield
    except UnicodeError as error:
        raise UnsupportedContainerError(
            "the name of a column is not UTF-8 text. Write the file again with other names"
        ) from error
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        # A damaged page is an OSError without a number to Arrow; one of the disk has a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedContainerError(f"{prefix}{error}") from error


def _validated(batch: pa.RecordBatch) -> pa.RecordBatch:
    # Offsets in the file may point outside its buffers.
    batch.validate(full=True)
    return batch


def _largest(column: pa.Array) -> int:
    """Return the size of the largest value that a dictionary may repeat."""
    if not pa.types.is_dictionary(column.type):
        return 0
    values = column.dictionary
    longest = pc.max(pc.binary_length(values)).as_py() if is_text(values.type) else values.nbytes
    return longest or 0
