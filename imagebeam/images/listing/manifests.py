"""Manifests: text files and tables that name images, one a line or row, taken literally."""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import IO, Any, NamedTuple

from imagebeam.errors import ImagebeamError
from imagebeam.images.errors import BadManifestEntry, ListingError, UnreadableListing

URI_COLUMN = "uri"
_LINES_TO_TYPE = 1000
"""Lines of a .jsonl that are read to learn what its columns hold."""


class ManifestError(ImagebeamError, ValueError):
    """A manifest that cannot be read as one at all; says reason and cure."""


class NoColumnError(ManifestError):
    """A table that names no images."""


class ManifestEntry(NamedTuple):
    """One line or row.

    Attributes:
        position: `line=N` (RFC 5147) or `row=N` (RFC 7111), from 1.
        value: the name of an image as the manifest has it, or the error in its place; None for a
            blank line.
        extra_columns: values of the columns to keep, in their order.
    """

    position: str
    value: str | ListingError | None
    extra_columns: tuple[Any, ...] = ()


Columns = Mapping[str, Any]
"""Names of columns, with the type of Arrow that each has."""


def read(file: IO[bytes], suffix: str, keep: Columns | None = None) -> Iterator[ManifestEntry]:
    """The entries of a manifest, in its order, in bounded memory.

    `.txt` has one name a line; `.csv` and `.parquet` have a column `uri`; `.jsonl` has an object
    with a `uri`, or just a string, a line. Blank lines count for nothing. Names that are not
    UTF-8 keep their bytes as surrogates.

    Args:
        file: positioned at its start.
        suffix: of its name, in lower case.
        keep: columns whose values come along.

    Raises:
        ManifestError: no manifest of that format, or no `uri` column.
        OSError: as the file raises it.
    """
    keep = keep or {}
    if suffix == ".parquet":
        return _read_parquet(file, keep)
    return _read_text(file, suffix, keep)


def columns(file: IO[bytes], suffix: str) -> dict[str, Any]:
    """The columns of a manifest that can be kept; none of lines.

    Those of a .jsonl are told from its first lines. A file is left where reading ended.

    Raises:
        ManifestError: no manifest of that format.
    """
    import pyarrow as pa

    match suffix:
        case ".parquet":
            with _table(file) as table:
                return {field.name: field.type for field in table.schema_arrow}
        case ".csv":
            with _text(file) as text:
                return dict.fromkeys(_header(csv.reader(text, strict=True)), pa.string())
        case ".jsonl":
            with _text(file) as text:
                return _jsonl_columns(text)
        case _:
            return {}


def _read_text(file: IO[bytes], suffix: str, keep: Columns) -> Iterator[ManifestEntry]:
    # The standard input's copy has no suffix: it is read as plain lines.
    reader = _TEXT_READERS.get(suffix, _read_lines)
    with _text(file) as text:
        yield from reader(text, keep)


@contextmanager
def _text(file: IO[bytes]) -> Iterator[IO[str]]:
    start = file.read(2)
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise ManifestError("it is UTF-16 text. Save it as UTF-8.")
    file.seek(0)
    text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
    try:
        yield text
    finally:
        # Whoever opened the file closes it.
        text.detach()


def _read_lines(file: IO[str], keep: Columns) -> Iterator[ManifestEntry]:
    for number, line in _lines(file):
        yield ManifestEntry(f"line={number}", line or None, (None,) * len(keep))


def _read_jsonl(file: IO[str], keep: Columns) -> Iterator[ManifestEntry]:
    for number, line in _lines(file):
        position = f"line={number}"
        if not line:
            yield ManifestEntry(position, None)
            continue
        try:
            value = json.loads(line)
            row = value if isinstance(value, dict) else {URI_COLUMN: value}
            yield ManifestEntry(position, _name(row.get(URI_COLUMN)), _fitting(row, keep))
        except _UnfitError as error:
            yield ManifestEntry(position, BadManifestEntry(str(error)), (None,) * len(keep))
        except (ValueError, RecursionError) as error:
            reason = BadManifestEntry(f"no JSON: {error}")
            yield ManifestEntry(position, reason, (None,) * len(keep))


class _UnfitError(Exception):
    pass


def _fitting(row: Mapping[str, Any], keep: Columns) -> tuple[Any, ...]:
    """The row's values of the kept columns, which are of the types that these have."""
    import pyarrow as pa

    values = tuple(row.get(column) for column in keep)
    for value, (column, kind) in zip(values, keep.items(), strict=True):
        try:
            pa.scalar(value, kind)
        except (pa.ArrowException, OverflowError) as error:
            raise _UnfitError(f"`{column}` is {value!r}, and not {kind} as above it") from error
    return values


def _jsonl_columns(file: IO[str]) -> dict[str, Any]:
    import pyarrow as pa

    rows = []
    for _, line in islice(_lines(file), _LINES_TO_TYPE):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            # It will have a row of its own.
            continue
        rows += [value] if isinstance(value, dict) else []
    found = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        try:
            found[name] = pa.array([row.get(name) for row in rows]).type
        except (pa.ArrowException, OverflowError):
            # Of several types: it cannot be kept, and nobody may ask for it.
            continue
    return found


def _lines(file: IO[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file, 1):
        yield number, line.rstrip("\r\n")


def _read_csv(file: IO[str], keep: Columns) -> Iterator[ManifestEntry]:
    rows = csv.reader(file, strict=True)
    header = _header(rows)
    column = header.index(URI_COLUMN)
    kept = [header.index(name) for name in keep]
    start = rows.line_num + 1
    while (row := _next_row(rows)) is not None:
        # A row may span lines: it is found by its first.
        position, start = f"line={start}", rows.line_num + 1
        if isinstance(row, BadManifestEntry):
            yield ManifestEntry(position, row, (None,) * len(keep))
        elif row:
            yield ManifestEntry(
                position, _name(_cell(row, column)), tuple(_cell(row, at) for at in kept)
            )
        else:
            yield ManifestEntry(position, None)


def _cell(row: list[str], column: int) -> str | None:
    return row[column] if column < len(row) else None


def _header(rows: Any) -> list[str]:
    header = _next_row(rows)
    if isinstance(header, BadManifestEntry):
        raise ManifestError(f"no CSV: {header}. Save it as comma-separated UTF-8.")
    if header is None or URI_COLUMN not in header:
        raise NoColumnError(_no_column(header or []))
    return header


def _next_row(rows: Iterator[list[str]]) -> list[str] | BadManifestEntry | None:
    try:
        return next(rows, None)
    except csv.Error as error:
        return BadManifestEntry(str(error))


def _read_parquet(file: IO[bytes], keep: Columns) -> Iterator[ManifestEntry]:
    import pyarrow as pa

    number = 0
    try:
        with _table(file) as table:
            for batch in table.iter_batches(columns=list({URI_COLUMN: None, **keep})):
                values = [batch.column(name).to_pylist() for name in (URI_COLUMN, *keep)]
                for uri, *kept in zip(*values, strict=True):
                    number += 1
                    yield ManifestEntry(f"row={number}", _name(uri), tuple(kept))
    # A damaged page is an OSError to pyarrow.
    except (pa.ArrowException, OSError) as error:
        if number == 0:
            raise ManifestError(f"no Parquet: {error}. Check the file.") from error
        reason = UnreadableListing(f"the rest cannot be read: {error}")
        yield ManifestEntry(f"row={number + 1}", reason, (None,) * len(keep))


@contextmanager
def _table(file: IO[bytes]) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"no Parquet: {error}. Check the file.") from error
    with table:
        if URI_COLUMN not in table.schema_arrow.names:
            raise NoColumnError(_no_column(table.schema_arrow.names))
        kind = table.schema_arrow.field(URI_COLUMN).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise ManifestError(f"column `{URI_COLUMN}` holds {kind}. Make it a string column.")
        yield table


def _name(value: object) -> str | ListingError:
    if isinstance(value, str) and value:
        return value
    return BadManifestEntry(f"`{URI_COLUMN}` is {value!r}, not the name of an image")


def _no_column(columns: list[str]) -> str:
    return (
        f"no column `{URI_COLUMN}`; it has {', '.join(map(repr, columns)) or 'no columns'}. "
        f"Rename the column that names the images to `{URI_COLUMN}`."
    )


_TEXT_READERS: dict[str, Callable[[IO[str], Columns], Iterator[ManifestEntry]]] = {
    ".txt": _read_lines,
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
}

SUFFIXES = frozenset((*_TEXT_READERS, ".parquet"))
"""Names that are taken as manifests, in any case."""
