"""Manifests: text files and tables that name images, one a line or row, taken literally."""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from images.errors import BadManifestEntry, ListingError, UnreadableListing

URI_COLUMN = "uri"


class ManifestError(ValueError):
    """A manifest that cannot be read as one at all; says reason and cure."""


@dataclass(frozen=True)
class Entry:
    """One line or row.

    Attributes:
        position: `line=N` (RFC 5147) or `row=N` (RFC 7111), from 1.
        value: the name of an image as the manifest has it, or why there is none.
    """

    position: str
    value: str | ListingError


def read(path: str) -> Iterator[Entry]:
    """The entries of a manifest, in its order, in bounded memory.

    `.txt` has one name a line; `.csv` and `.parquet` have a column `uri`; `.jsonl` has an object
    with a `uri`, or just a string, a line. Blank lines count for nothing. Names that are not
    UTF-8 keep their bytes as surrogates.

    Raises:
        ManifestError: no manifest of that format, or no `uri` column.
    """
    suffix = Path(path).suffix.lower()
    try:
        if suffix == ".parquet":
            yield from _read_parquet(path)
            return
        # The standard input's copy has no suffix: it is read as plain lines.
        reader = _TEXT_READERS.get(suffix, _read_lines)
        with open(path, "rb") as data:
            if data.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise ManifestError("it is UTF-16 text. Save it as UTF-8.")
            with io.TextIOWrapper(data, "utf-8-sig", "surrogateescape", newline="") as file:
                yield from reader(file)
    except OSError as error:
        raise ManifestError(f"{error.strerror or error}. Check the file.") from error


def _read_lines(file: IO[str]) -> Iterator[Entry]:
    for number, line in _lines(file):
        yield Entry(f"line={number}", line)


def _read_jsonl(file: IO[str]) -> Iterator[Entry]:
    for number, line in _lines(file):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Entry(f"line={number}", BadManifestEntry(f"no JSON: {error}"))
            continue
        if isinstance(value, dict):
            value = value.get(URI_COLUMN)
        yield Entry(f"line={number}", _name(value))


def _lines(file: IO[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file, 1):
        if text := line.rstrip("\r\n"):
            yield number, text


def _read_csv(file: IO[str]) -> Iterator[Entry]:
    rows = csv.reader(file, strict=True)
    header = _next_row(rows)
    if isinstance(header, BadManifestEntry):
        raise ManifestError(f"no CSV: {header}. Save it as comma-separated UTF-8.")
    if header is None or URI_COLUMN not in header:
        raise ManifestError(_no_column(header or []))
    column = header.index(URI_COLUMN)
    start = rows.line_num + 1
    while (row := _next_row(rows)) is not None:
        # A row may span lines: it is found by its first.
        position, start = f"line={start}", rows.line_num + 1
        if isinstance(row, BadManifestEntry):
            yield Entry(position, row)
        elif row:
            yield Entry(position, _name(row[column] if column < len(row) else None))


def _next_row(rows: Iterator[list[str]]) -> list[str] | BadManifestEntry | None:
    try:
        return next(rows, None)
    except csv.Error as error:
        return BadManifestEntry(str(error))


def _read_parquet(path: str) -> Iterator[Entry]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        # Opened here: pyarrow takes no name that is not UTF-8.
        with open(path, "rb") as file, pq.ParquetFile(file) as table:
            if URI_COLUMN not in table.schema_arrow.names:
                raise ManifestError(_no_column(table.schema_arrow.names))
            kind = table.schema_arrow.field(URI_COLUMN).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise ManifestError(f"column `{URI_COLUMN}` holds {kind}. Make it a string column.")
            for batch in table.iter_batches(columns=[URI_COLUMN]):
                for value in batch.column(0).to_pylist():
                    number += 1
                    yield Entry(f"row={number}", _name(value))
    # A damaged page is an OSError to pyarrow.
    except (pa.ArrowException, OSError) as error:
        if number == 0:
            raise ManifestError(f"no Parquet: {error}. Check the file.") from error
        yield Entry(f"row={number + 1}", UnreadableListing(f"the rest cannot be read: {error}"))


def _name(value: object) -> str | ListingError:
    if isinstance(value, str) and value:
        return value
    return BadManifestEntry(f"`{URI_COLUMN}` is {value!r}, not the name of an image")


def _no_column(columns: list[str]) -> str:
    return (
        f"no column `{URI_COLUMN}`; it has {', '.join(map(repr, columns)) or 'no columns'}. "
        f"Rename the column that names the images to `{URI_COLUMN}`."
    )


_TEXT_READERS: dict[str, Callable[[IO[str]], Iterator[Entry]]] = {
    ".txt": _read_lines,
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
}

SUFFIXES = frozenset((*_TEXT_READERS, ".parquet"))
"""Names that are taken as manifests, in any case."""
