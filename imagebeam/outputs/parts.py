"""Writes the two files of a shard, each as a whole, and reads their URIs back."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from imagebeam.outputs import tfrecord_parts
from imagebeam.outputs.layout import DamagedPartError, Layout, remove, write_whole
from imagebeam.outputs.writers import Writers
from imagebeam.storage import AnyPath
from imagebeam.storage.tfrecord import DamagedRecordError

# Level 1 costs a tenth of the time of pyarrow's default for a few percent of size.
PARQUET_OPTIONS: dict[str, Any] = {"compression": "zstd", "compression_level": 1}

_Item = TypeVar("_Item")


def write_part(
    layout: Layout,
    shard_id: str,
    predictions: pa.Table,
    errors: pa.Table,
) -> None:
    """Write the rows of a shard, in place of those that an earlier attempt wrote.

    An image is never in both files, so wherever this stops, an image has one row or none. The next
    run does the images without a row.

    Raises:
        OSError: the storage refused; the part that it refused is unchanged.
    """
    error_part = layout.error_part(shard_id)
    prediction_part = layout.prediction_part(shard_id)
    with Writers(layout).one():
        remove(error_part)
        if predictions.num_rows:
            write_whole(prediction_part, _encode(layout, predictions))
        else:
            prediction_part.unlink(missing_ok=True)
        if errors.num_rows:
            write_whole(error_part, _parquet(errors))


def labelled_uris(part: AnyPath) -> Iterator[str]:
    """Yield the URIs in one part of predictions.

    Raises:
        DamagedPartError: the part cannot be read to its end.
    """
    return readable(part, tfrecord_parts.uris(part) if part.suffix == ".tfrecord" else _uris(part))


def failed_uris(part: AnyPath) -> Iterator[str]:
    """Yield the URIs in one part of errors.

    Raises:
        DamagedPartError: the part cannot be read to its end.
    """
    return readable(part, _uris(part))


def readable(part: AnyPath, items: Iterator[_Item]) -> Iterator[_Item]:
    """Yield what is read from a part, item by item.

    Raises:
        DamagedPartError: the part cannot be read to its end.
        ConnectionError: its store does not answer; the part may be whole.
    """
    try:
        yield from items
    except ConnectionError:
        raise
    except (pa.ArrowException, OSError, DamagedRecordError) as error:
        raise DamagedPartError(
            f"{part}: damaged ({error}). Delete it, then run the job again to redo its images"
        ) from error


def forget_errors(layout: Layout, codes: Sequence[str]) -> int:
    """Delete error rows, so that the next run does their images again; return their number.

    Args:
        layout: of the output folder.
        codes: of the rows to delete; without any, all rows that are retryable.
    """
    forgotten = 0
    # All names are read first, because a folder that changes may list a file twice.
    for part in sorted(layout.error_parts()):
        with opened(part) as file:
            rows = file.metadata.num_rows
            kept, data = _without(file, codes)
        forgotten += rows - kept
        if not kept:
            part.unlink()
        elif kept < rows:
            write_whole(part, data)
    return forgotten


def _without(file: pq.ParquetFile, codes: Sequence[str]) -> tuple[int, bytes]:
    """Return how many errors stay, and a file of them.

    It is read by row groups, because a compacted file may be large.
    """
    # Imported here because it is slow to import and most jobs do not need it.
    import pyarrow.compute as pc

    kept, buffer = 0, io.BytesIO()
    with pq.ParquetWriter(buffer, file.schema_arrow, **PARQUET_OPTIONS) as writer:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            again = pc.is_in(table["code"], pa.array(codes)) if codes else table["retryable"]
            if (rest := table.filter(pc.invert(again))).num_rows:
                writer.write_table(rest)
                kept += rest.num_rows
    return kept, buffer.getvalue()


@contextmanager
def opened(part: AnyPath) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file, which is read lazily."""
    if isinstance(part, Path):
        # Arrow reads a small file in half the time that reading through Python takes.
        with pq.ParquetFile(part) as parquet:
            yield parquet
        return
    with part.open("rb") as file, pq.ParquetFile(file) as parquet:
        yield parquet


def _encode(layout: Layout, predictions: pa.Table) -> bytes:
    return (
        tfrecord_parts.encode(predictions) if layout.format == "tfrecord" else _parquet(predictions)
    )


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **PARQUET_OPTIONS)
    return buffer.getvalue()


def _uris(part: AnyPath) -> Iterator[str]:
    with opened(part) as file:
        for batch in file.iter_batches(columns=["uri"], use_threads=False):
            yield from batch.column(0).to_pylist()
