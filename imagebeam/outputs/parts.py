"""One shard's two files: written whole, replaced whole, read back for their URIs."""

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
    """Write a shard's rows; whatever an earlier try of the shard wrote is gone afterwards.

    In no moment does an image stand in both files, so wherever this stops, an image has one row
    or none, and none means that the next run does it.

    Raises:
        OSError: the storage refused; the part that it refused is what it was before.
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
    """The URIs in one part of predictions.

    Raises:
        DamagedPartError: the part cannot be read to its end.
    """
    return readable(part, tfrecord_parts.uris(part) if part.suffix == ".tfrecord" else _uris(part))


def failed_uris(part: AnyPath) -> Iterator[str]:
    """The URIs in one part of errors.

    Raises:
        DamagedPartError: the part cannot be read to its end.
    """
    return readable(part, _uris(part))


def readable(part: AnyPath, items: Iterator[_Item]) -> Iterator[_Item]:
    """What is read from a part, item by item.

    Raises:
        DamagedPartError: the part cannot be read to its end.
        ConnectionError: its store gives no answer, which says nothing about the part.
    """
    try:
        yield from items
    except ConnectionError:
        raise
    except (pa.ArrowException, OSError, DamagedRecordError) as error:
        raise DamagedPartError(
            f"{part} is damaged ({error}). Delete it and run again: its images are done anew"
        ) from error


def forget_errors(layout: Layout, codes: Sequence[str]) -> int:
    """Delete error rows, so that the next run does their images again; how many there were.

    Args:
        layout: of the output folder.
        codes: those to forget; none stands for all that are retryable.
    """
    forgotten = 0
    # Named before the first is replaced: a folder that changes may name a file twice.
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
    """How many errors stay, and a file of them; read by row groups, for it may have been joined."""
    # No other job needs it, and to import it would make each wait.
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
    """A Parquet file, of which no more is read than is asked for."""
    if isinstance(part, Path):
        # Arrow's own reading of a small file takes half the time of reading through Python.
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
