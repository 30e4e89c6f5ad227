"""Read manifests: text files and tables that name one image per line or row, taken literally."""

import codecs
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import IO, Any

from imagebeam.images.containers.streams import Decompressed
from imagebeam.images.containers.types import ContainerLimits
from imagebeam.images.errors import BadManifestEntry
from imagebeam.images.listing import manifest_tables
from imagebeam.images.listing.csv_records import Line, lines, records
from imagebeam.images.listing.manifest_entries import (
    URI_COLUMN,
    Columns,
    ManifestEntry,
    ManifestError,
    NoColumnError,
    UnfitError,
    check_kept,
    fitting,
    name_or_error,
    no_column,
    shown,
)
from imagebeam.images.listing.manifest_format import (
    HEAD_BYTES,
    Format,
    ManifestFormat,
    format_of,
    read_head,
    utf16_without_mark,
)

_LINES_TO_TYPE = 1000
"""Lines of JSON that are read to learn which columns there are."""

_MOST_JSON = 200_000_000
"""Characters of a JSON array, which is read whole."""

_DELIMITERS = (",", "\t", ";", "|")
_SEPARATOR = re.compile('"?sep=(.)"?', re.IGNORECASE)
_OTHER_LINE_END = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Characters that Unicode counts as line ends, and CSV does not."""

_TABLES = {Format.PARQUET, Format.ARROW}
_LIMITS = ContainerLimits()


def read(
    file: IO[bytes], name: str, keep: Columns | None = None, uri_column: str | None = None
) -> Iterator[ManifestEntry]:
    """Yield the entries of a manifest, in its order, in bounded memory.

    Lines hold one name each; tables have a column `uri`; JSON has an object with a `uri`, or just
    a string, per line or item. Names that are not UTF-8 keep their bytes as surrogates.

    Args:
        file: positioned at its start.
        name: of the file; its suffix gives the format unless the content shows another one.
        keep: columns whose values are copied to the rows.
        uri_column: the column that names the images.

    Raises:
        ManifestError: the file is not a manifest of that format, or has no such column.
        OSError: as the file raises it.
    """
    column, keep = uri_column or URI_COLUMN, keep or {}
    form = format_of(name, read_head(file), column)
    if form.format in _TABLES:
        yield from manifest_tables.read(file, form.format, column, keep)
        return
    with _text(file, form) as text:
        yield from _read_text(text, form.format, column, keep)


def columns(file: IO[bytes], name: str, uri_column: str | None = None) -> dict[str, Any]:
    """Return the columns of a manifest, with their Arrow types; none for plain lines.

    The columns of JSON are those of its first lines. The file is left where reading ended.

    Raises:
        ManifestError: the file is not a manifest of that format.
        NoColumnError: no column of it names images.
    """
    import pyarrow as pa

    column = uri_column or URI_COLUMN
    form = format_of(name, read_head(file), column)
    if form.format in _TABLES:
        return manifest_tables.columns(file, form.format, column)
    with _text(file, form) as text:
        match form.format:
            case Format.CSV | Format.TSV:
                header, _ = _table(text, form.format, column)
                return {name: pa.string() for name, count in Counter(header).items() if count == 1}
            case Format.JSON | Format.JSON_LINES:
                return _json_columns(text, column)
            case _:
                return {}


class _Raw(io.RawIOBase):
    """A decompressed file as Python's text files need it."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _text(file: IO[bytes], form: ManifestFormat) -> Iterator[IO[str]]:
    source: Any = file
    if form.compression is not None:
        source = Decompressed(file, form.compression, _LIMITS)
    buffered = io.BufferedReader(_Raw(source), 1 << 16)
    head = buffered.peek(HEAD_BYTES)[:HEAD_BYTES]
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        encoding, errors = "utf-32", "replace"
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, errors = "utf-16", "replace"
    elif without_mark := utf16_without_mark(head):
        encoding, errors = without_mark, "replace"
    else:
        encoding, errors = "utf-8-sig", "surrogateescape"
    yield io.TextIOWrapper(buffered, encoding, errors, newline="")


def _read_text(text: IO[str], form: Format, column: str, keep: Columns) -> Iterator[ManifestEntry]:
    match form:
        case Format.CSV | Format.TSV:
            return _read_csv(text, form, column, keep)
        case Format.JSON | Format.JSON_LINES:
            return _read_json(text, column, keep)
        case _:
            return _read_lines(text, form, len(keep))


def _read_lines(text: IO[str], form: Format, kept: int) -> Iterator[ManifestEntry]:
    nothing = (None,) * kept
    for number, line, _ in lines(text):
        position = f"line={number}"
        if line is None:
            yield ManifestEntry(position, BadManifestEntry("the line is too long"), nothing)
            continue
        cells = line.split("\t")
        if form is Format.LST and len(cells) > 2 and cells[0].isdigit():
            # MXNet: number, labels and name.
            line = cells[-1]
        yield ManifestEntry(position, line if line.strip() else None, nothing)


def _read_csv(text: IO[str], form: Format, column: str, keep: Columns) -> Iterator[ManifestEntry]:
    header, rows = _table(text, form, column)
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
        elif not row.cells:
            yield ManifestEntry(position, None, nothing)
        elif any(cell.strip() for cell in surplus):
            error = BadManifestEntry(
                f"{len(row.cells):,} cells, the header has {len(header):,}: {shown(row.text)}"
            )
            yield ManifestEntry(position, error, nothing)
        else:
            name = name_or_error(_cell(row.cells, place), column)
            yield ManifestEntry(position, name, tuple(_clean(_cell(row.cells, at)) for at in kept))


def _cell(row: Sequence[str], column: int) -> str | None:
    return row[column] if column < len(row) else None


def _clean(cell: str | None) -> str | None:
    return None if cell is None else _SURROGATES.sub("\ufffd", cell)


_SURROGATES = re.compile("[\ud800-\udfff]")


def _table(text: IO[str], form: Format, column: str) -> tuple[list[str], Iterator[Any]]:
    """Return the header and the records of a table in text.

    Raises:
        ManifestError: the header cannot be read.
        NoColumnError: it does not name the column.
    """
    source = (line for line in lines(text) if line.text is None or line.text.strip())
    first = next(source, None)
    if first is None or first.text is None:
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
    # A semicolon in place of the comma, for example, is accepted if the header proves it.
    for delimiter in (own, *_DELIMITERS):
        [record] = islice(records([first], delimiter, form is not Format.TSV), 1)
        names = [cell.strip() for cell in record.cells]
        if delimiter == own:
            header, error = names, record.error
        if names.count(column) > 1:
            raise ManifestError(f"{names.count(column)} columns are called `{column}`. Rename one.")
        if column in names:
            is_csv = form is not Format.TSV
            return names, records(_all(text, first), delimiter, is_csv, len(names))
    if error:
        raise ManifestError(f"not valid CSV: {error}. Save it as comma-separated UTF-8.")
    raise NoColumnError(no_column(header, column))


def _all(text: IO[str], header: Line) -> Iterator[Line]:
    """Yield the lines after the header, blank ones included."""
    return (Line(number + header.number, line, end) for number, line, end in lines(text))


def _read_json(text: IO[str], column: str, keep: Columns) -> Iterator[ManifestEntry]:
    nothing = (None,) * len(keep)
    for position, value in _json_values(text):
        if value is None:
            yield ManifestEntry(position, None, nothing)
            continue
        if isinstance(value, BadManifestEntry):
            yield ManifestEntry(position, value, nothing)
            continue
        row = value if isinstance(value, dict) else {column: value}
        try:
            yield ManifestEntry(
                position, name_or_error(row.get(column), column), fitting(row, keep)
            )
        except UnfitError as error:
            yield ManifestEntry(position, BadManifestEntry(str(error)), nothing)


def _json_values(text: IO[str]) -> Iterator[tuple[str, Any]]:
    """Yield position and value of each line or item; None for a blank line.

    A JSON `null` comes as a `BadManifestEntry`, as text that is not JSON does.
    """
    source = lines(text)
    for line in source:
        if line.text is None or not line.text.lstrip().startswith("["):
            yield _json_line(line)
            if line.text is None or line.text.strip():
                break
            continue
        rest = text.read(_MOST_JSON + 1)
        whole = f"{line.text}{line.end}{rest}"
        items = _json(whole) if len(rest) <= _MOST_JSON else None
        if isinstance(items, list):
            yield from ((f"item={number}", _item(each)) for number, each in enumerate(items, 1))
        elif len(rest) > _MOST_JSON:
            raise ManifestError(
                f"a JSON array of more than {_MOST_JSON:,} characters. Write one object per line "
                "(.jsonl)."
            )
        else:
            numbered = lines(io.StringIO(whole, newline=""))
            yield from (
                _json_line(each._replace(number=each.number + line.number - 1)) for each in numbered
            )
        return
    yield from map(_json_line, source)


def _json_line(line: Line) -> tuple[str, Any]:
    position = f"line={line.number}"
    if line.text is None:
        return position, BadManifestEntry("the line is too long")
    return position, _json(line.text) if line.text.strip() else None


def _json(text: str) -> Any:
    try:
        return _item(json.loads(text))
    except (ValueError, RecursionError) as error:
        return BadManifestEntry(f"not valid JSON: {error}")


def _item(value: Any) -> Any:
    return BadManifestEntry("`null`, not the name of an image") if value is None else value


def _json_columns(text: IO[str], column: str) -> dict[str, Any]:
    import pyarrow as pa

    values = [value for _, value in islice(_json_values(text), _LINES_TO_TYPE)]
    rows = [value for value in values if isinstance(value, dict)]
    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        try:
            found[name] = pa.array([row.get(name) for row in rows]).type
        except (pa.ArrowException, OverflowError, UnicodeError, RecursionError):
            # It holds several types: it cannot be kept.
            continue
    names: Iterable[str] = dict.fromkeys(name for row in rows for name in row)
    if rows and column not in names and not any(isinstance(value, str) for value in values):
        raise NoColumnError(no_column(list(names), column))
    return found
