"""Read manifests that are tables in text: CSV and TSV."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import IO, Any

from imagebeam.images.errors import BadManifestEntry
from imagebeam.images.listing.manifests.csv_records import Line, lines, records
from imagebeam.images.listing.manifests.entries import (
    Columns,
    ManifestEntry,
    ManifestError,
    NoColumnError,
    check_kept,
    name_or_error,
    no_column,
    readable,
    shown,
)
from imagebeam.images.listing.manifests.formats import Format
from imagebeam.images.listing.names import is_image_name

_HEADER_FIX = (
    "If the first line is not a header, write one above it, or give --uri-column the name of the "
    "image in that line."
)
_MOST_HEADER_LINES = 100
_DELIMITERS = (",", "\t", ";", "|")
_SEPARATOR = re.compile('"?sep=(.)"?', re.IGNORECASE)
_OTHER_LINE_END = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Characters that Unicode counts as line ends, and CSV does not."""


def read_csv(text: IO[str], form: Format, column: str, keep: Columns) -> Iterator[ManifestEntry]:
    """Yield the entries of a table in text.

    Raises:
        ManifestError: its header cannot be read, or lacks a column.
    """
    header, rows = table_of(text, form, column)
    if not header:
        return
    place = header.index(column)
    check_kept(header, keep)
    kept = [header.index(name) for name in keep]
    nothing = (None,) * len(keep)
    for row in rows:
        position = f"line={row.first}"
        surplus = row.cells[len(header) :]
        if row.error:
            error = BadManifestEntry(f"{row.error}: {shown(row.text)}" if row.text else row.error)
            yield ManifestEntry(position, error, nothing, row.last - row.first)
        elif not any(cell.strip() for cell in row.cells):
            # Spreadsheets write lines of delimiters below the last row.
            yield ManifestEntry(position, None, nothing)
        elif any(cell.strip() for cell in surplus):
            error = BadManifestEntry(
                f"{len(row.cells):,} cells, the header has {len(header):,}: {shown(row.text)}"
            )
            yield ManifestEntry(position, error, nothing)
        else:
            name = name_or_error(_cell(row.cells, place), column)
            yield ManifestEntry(position, name, tuple(_value(row.cells, at) for at in kept))


def _cell(row: Sequence[str], column: int) -> str | None:
    return row[column] if column < len(row) else None


def _value(row: Sequence[str], column: int) -> str | None:
    cell = _cell(row, column)
    return None if cell is None else readable(cell)


def table_of(text: IO[str], form: Format, column: str) -> tuple[list[str], Iterator[Any]]:
    """Return the header and the records of a table in text; both are empty if the text is.

    Raises:
        ManifestError: the header cannot be read.
        NoColumnError: it does not name the column.
    """
    numbered = lines(text)
    source = (line for line in numbered if line.text is None or line.text.strip())
    first = next(source, None)
    if first is None:
        return [], iter(())
    if first.text is None:
        raise NoColumnError(no_column([], column))
    own = "\t" if form is Format.TSV else ","
    if chosen := _SEPARATOR.fullmatch(first.text):
        # Excel writes this line, and hides it.
        own, following = chosen[1], next(source, None)
        if following is None or following.text is None:
            raise NoColumnError(no_column([], column))
        first = following
    if separator := _OTHER_LINE_END.search((first.text or "").strip()):
        raise ManifestError(
            f"the line of its header holds U+{ord(separator[0]):04X}, which only some programs "
            "take for the end of a line. Save it with line feeds."
        )
    header: list[str] = []
    is_csv = form is not Format.TSV
    heading = _heading(first, numbered) if is_csv else [first]
    # A semicolon in place of the comma, for example, is accepted if the header proves it.
    for delimiter in (own, *_DELIMITERS):
        [record] = islice(records(heading, delimiter, is_csv), 1)
        names = [readable(cell.strip()) for cell in record.cells]
        if delimiter == own:
            error = record.error
        # For the message: the delimiter that gives most names is probably the right one.
        header = max(header, names, key=len)
        if names.count(column) > 1:
            raise ManifestError(f"{names.count(column)} columns are called `{column}`. Rename one.")
        if column in names:
            # In a table without a header, the column is named by its value in the first line.
            is_row = is_image_name(column) or "://" in column
            rest = heading if is_row else [line for line in heading if line.number > record.last]
            return names, records(chain(rest, numbered), delimiter, is_csv, len(names))
    if error:
        raise ManifestError(f"not valid CSV: {error}. Save it as comma-separated UTF-8.")
    raise NoColumnError(f"{no_column(header, column)} {_HEADER_FIX}")


def _heading(first: Line, following: Iterator[Line]) -> list[Line]:
    """Return the lines that the header may take: a quoted name can span several."""
    heading = [first]
    while len(heading) < _MOST_HEADER_LINES and _quotes(heading) % 2:
        if (line := next(following, None)) is None:
            break
        heading.append(line)
    return heading


def _quotes(some: list[Line]) -> int:
    return sum((line.text or "").count('"') for line in some)
