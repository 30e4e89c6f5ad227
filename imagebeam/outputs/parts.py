"""Write the two files of a shard, each as a whole, and read their URIs back."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from imagebeam.outputs import tfrecord_parts
from imagebeam.outputs.errors import DamagedPartError, OutputError
from imagebeam.outputs.files import remove, write_whole
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.provenance import provenance, provenance_differences
from imagebeam.outputs.writers import Writers
from imagebeam.storage import AnyPath

_NO_BLOOM_FILTER = "bloom_filter_options" not in signature(pq.write_table).parameters
"""PyArrow before 24 cannot write them."""


def parquet_options(group_rows: int, schema: pa.Schema) -> dict[str, Any]:
    """Return the options with which all Parquet files of an output are written.

    The page index and the Bloom filter let readers skip what does not contain the URIs they want.

    Args:
        group_rows: the most rows of a row group, at least 1.
        schema: the columns.
    """
    # Level 1 costs a tenth of the time of pyarrow's default for a few percent of size.
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": 1,
        "write_page_index": True,
        "use_dictionary": _repeating(schema),
    }
    if not _NO_BLOOM_FILTER:
        options["bloom_filter_options"] = {"uri": {"ndv": group_rows, "fpp": 0.05}}
    return options


def _repeating(schema: pa.Schema) -> list[str]:
    """Return the columns that are worth a dictionary.

    One for each column would take a quarter of the time of writing, and make larger files.
    """
    columns = [
        field.name
        for field in schema
        if field.name not in _NEVER_REPEATING and not pa.types.is_nested(field.type)
    ]
    return columns + ["top_k.list.element.label"] * ("top_k" in schema.names)


_NEVER_REPEATING = frozenset(("uri", "width", "height", "score", "message"))

_Item = TypeVar("_Item")

_ANY_JOB: Mapping[str, Any] = MappingProxyType({})


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
            encode = tfrecord_parts.encode if layout.format == "tfrecord" else _parquet
            write_whole(prediction_part, encode(predictions))
        else:
            prediction_part.unlink(missing_ok=True)
        if errors.num_rows:
            write_whole(error_part, _parquet(errors))


def uris(part: AnyPath, job: Mapping[str, Any] = _ANY_JOB) -> Iterator[str]:
    """Yield the URIs in one part.

    Args:
        part: a part of predictions or errors.
        job: its provenance, to which the part must belong.

    Raises:
        DamagedPartError: the part cannot be read to its end.
        OutputError: another job wrote it.
    """
    return readable(part, _uris(part, job))


def _check_job(part: AnyPath, found: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    """Refuse a part whose provenance is that of another job.

    Raises:
        OutputError: another job wrote it.
    """
    if differences := provenance_differences(found, job):
        raise OutputError(
            f"{part}: was written by another job ({', '.join(differences)}). Move it elsewhere, "
            "then run the same command again."
        )


def readable(part: AnyPath, items: Iterator[_Item]) -> Iterator[_Item]:
    """Yield what is read from a part, item by item.

    Raises:
        DamagedPartError: the part cannot be read to its end.
        ConnectionError: its store does not answer; the part may be whole.
    """
    try:
        yield from items
    except (ConnectionError, DamagedPartError, OutputError):
        raise
    # A planted or damaged file may fail in every way that a library knows.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise DamagedPartError(
            f"{part}: damaged ({reason}). Delete it, then run the job again to redo its images"
        ) from error


def forget_errors(layout: Layout, codes: Sequence[str]) -> int:
    """Delete error rows, so that the next run does their images again; return their number.

    Args:
        codes: the codes of the rows to delete; without any, all rows that are retryable.
    """
    again = partial(_is_retried, codes)
    # All names are read first, because a folder that changes may list a file twice.
    return sum(forget(part, again) for part in sorted(layout.error_parts()))


def uris_not_retried(part: AnyPath, codes: Sequence[str]) -> Iterator[str]:
    """Yield the URIs in one part of errors that `forget_errors` would keep.

    Raises:
        DamagedPartError: the part cannot be read to its end.
    """
    return readable(part, _not_retried(part, codes))


def _not_retried(part: AnyPath, codes: Sequence[str]) -> Iterator[str]:
    import pyarrow.compute as pc

    with opened(part) as file:
        for batch in file.iter_batches(columns=["uri", "code", "retryable"], use_threads=False):
            yield from batch.filter(pc.invert(_is_retried(codes, batch)))["uri"].to_pylist()


def _is_retried(codes: Sequence[str], rows: Any) -> Any:
    # Imported here because it is slow to import and most jobs do not need it.
    import pyarrow.compute as pc

    return pc.is_in(rows["code"], pa.array(codes)) if codes else rows["retryable"]


def forget(part: AnyPath, again: Callable[[pa.Table], Any]) -> int:
    """Delete rows of one Parquet file; return their number.

    Args:
        part: a part of the output; deleted if no row stays.
        again: returns for each row of a table whether it is deleted.

    Raises:
        DamagedPartError: the part cannot be read to its end.
    """
    [(rows, kept, data)] = readable(part, _without(part, again))
    if not kept:
        part.unlink()
    elif kept < rows:
        write_whole(part, data)
    return rows - kept


def _without(part: AnyPath, again: Callable[[pa.Table], Any]) -> Iterator[tuple[int, int, bytes]]:
    """Yield the number of rows, of those that stay, and a file of the latter.

    It is read by row groups, because a compacted file may be large.
    """
    import pyarrow.compute as pc

    kept, buffer = 0, io.BytesIO()
    with (
        opened(part) as file,
        pq.ParquetWriter(
            buffer,
            file.schema_arrow,
            **parquet_options(_largest_group(file), file.schema_arrow),
        ) as writer,
    ):
        rows = file.metadata.num_rows
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            if (rest := table.filter(pc.invert(again(table)))).num_rows:
                writer.write_table(rest)
                kept += rest.num_rows
    yield rows, kept, buffer.getvalue()


def _largest_group(file: pq.ParquetFile) -> int:
    groups = range(file.num_row_groups)
    return max((file.metadata.row_group(group).num_rows for group in groups), default=1) or 1


@contextmanager
def opened(part: AnyPath, read_dictionary: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file, which is read lazily; some columns of text come as dictionaries."""
    columns = [*read_dictionary] or None
    if isinstance(part, Path):
        # Arrow reads a small file in half the time that reading through Python takes.
        with pq.ParquetFile(part, read_dictionary=columns) as parquet:
            yield parquet
        return
    with part.open("rb") as file, pq.ParquetFile(file, read_dictionary=columns) as parquet:
        yield parquet


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **parquet_options(table.num_rows or 1, table.schema))
    return buffer.getvalue()


def _uris(part: AnyPath, job: Mapping[str, Any]) -> Iterator[str]:
    if part.suffix == ".tfrecord":
        yield from tfrecord_parts.uris(part, lambda found: _check_job(part, found, job))
        return
    with opened(part) as file:
        _check_job(part, provenance(file.schema_arrow), job)
        check_text(file, "uri")
        for batch in file.iter_batches(columns=["uri"], use_threads=False):
            if batch.column(0).null_count:
                raise ValueError("a row has no 'uri'")
            yield from batch.column(0).to_pylist()


def check_text(file: pq.ParquetFile, name: str) -> None:
    """Refuse a file whose column is not text.

    Raises:
        ValueError: it is not.
    """
    if file.schema_arrow.field(name).type != pa.string():
        raise ValueError(f"its column {name!r} is not text")
