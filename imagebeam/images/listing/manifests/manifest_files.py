"""Read manifests: text files and tables that name one image per line or row, taken literally."""

import codecs
import io
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import IO, Any

from imagebeam.images.containers.content_kinds import SNIFFED_BYTES, kind_of_content
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.streams import Decompressed
from imagebeam.images.containers.types import ContainerLimits
from imagebeam.images.errors import BadManifestEntry
from imagebeam.images.foreign_kinds import foreign_kind
from imagebeam.images.listing.manifests import arrow_tables
from imagebeam.images.listing.manifests.csv_records import MOST_CHARACTERS, lines
from imagebeam.images.listing.manifests.entries import (
    URI_COLUMN,
    Columns,
    ManifestEntry,
    ManifestError,
)
from imagebeam.images.listing.manifests.formats import (
    HEAD_BYTES,
    Format,
    ManifestFormat,
    compression_of,
    format_of,
    is_text,
    read_head,
    utf16_without_mark,
)
from imagebeam.images.listing.manifests.json_entries import json_columns, read_json
from imagebeam.images.listing.manifests.text_tables import read_csv, table_of
from imagebeam.images.listing.names import judge_content

_TABLES = {Format.PARQUET, Format.ARROW}
_LIMITS = ContainerLimits()
_ZIP = b"PK\3\4"
_PIECE = 1 << 16


def read(
    file: IO[bytes], name: str, keep: Columns | None = None, uri_column: str | None = None
) -> Iterator[ManifestEntry]:
    """Yield the entries of a manifest, in its order, in bounded memory.

    Lines hold one name each; tables have a column `uri`; JSON has an object with a `uri`, or just
    a string, per line or item. Names that are not UTF-8 keep their bytes as surrogates.

    Args:
        file: positioned at its start.
        name: the name of the file; its suffix gives the format unless the content shows another
            one.
        keep: columns whose values are copied to the rows.
        uri_column: the column that names the images.

    Raises:
        ManifestError: the file is not a manifest of that format, or has no such column.
        OSError: as the file raises it.
    """
    column, keep = uri_column or URI_COLUMN, keep or {}
    form = format_of(name, file, column)
    if form.format in _TABLES:
        yield from arrow_tables.read(file, form.format, column, keep)
        return
    with _text(file, form) as text:
        yield from _read_text(text, form.format, column, keep)


def columns(
    file: IO[bytes], name: str, uri_column: str | None = None, shown: str = ""
) -> dict[str, Any]:
    """Return the columns of a manifest, with their Arrow types; none for plain lines.

    The columns of JSON are those of its first lines. The file is left where reading ended.

    Args:
        file: at any position.
        name: of the file.
        uri_column: the column that names the images.
        shown: the file's name in messages, if it is another one.

    Raises:
        ManifestError: the file is not a manifest of that format.
        NoColumnError: no column of it names images.
    """
    import pyarrow as pa

    column = uri_column or URI_COLUMN
    if other := _other_kind(read_head(file)):
        raise ManifestError(f"it is {other}.")
    form = format_of(name, file, column)
    if form.format in _TABLES and form.compression is not None:
        raise ManifestError(
            f"it is compressed by {form.compression.value}, so its parts cannot be read. "
            "Decompress it, and name what is in it."
        )
    if form.format in _TABLES:
        return arrow_tables.columns(file, form.format, column)
    with _text(file, form) as text:
        match form.format:
            case Format.CSV | Format.TSV:
                header, _ = table_of(text, form.format, column)
                return dict.fromkeys(header, pa.string())
            case Format.JSON | Format.JSON_LINES:
                return json_columns(text, column, shown or name)
            case _:
                return {}


def _other_kind(head: bytes) -> str | None:
    """Return what a file is that is no manifest, with the fix; None for other content."""
    if is_text(head) or compression_of(head):
        return foreign_kind(head)
    if head.startswith(_ZIP):
        return "a zip file, or the workbook of a spreadsheet. Save it as CSV"
    if judge_content(head) == "image":
        return "a picture, not a list of names. Name it as INPUT"
    if kind_of_content(head[:SNIFFED_BYTES], ContainerKind.PARQUET) is not ContainerKind.PARQUET:
        return "an archive, not a list of names. Save it under its own extension, and name that"
    return foreign_kind(head)


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
def _text(file: IO[bytes], form: ManifestFormat) -> Iterator[io.TextIOWrapper]:
    with ExitStack() as stack:
        source: Any = file
        if form.compression is not None:
            source = stack.enter_context(closing(Decompressed(file, form.compression, _LIMITS)))
        yield _decoded(source)


def _decoded(source: Any) -> io.TextIOWrapper:
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
    return io.TextIOWrapper(buffered, encoding, errors, newline="")


def _read_text(
    text: io.TextIOWrapper, form: Format, column: str, keep: Columns
) -> Iterator[ManifestEntry]:
    match form:
        case Format.CSV | Format.TSV:
            return read_csv(text, form, column, keep)
        case Format.JSON | Format.JSON_LINES:
            return read_json(text, column, keep)
        case _:
            return _read_lines(text, form, len(keep))


def _read_lines(text: io.TextIOWrapper, form: Format, kept: int) -> Iterator[ManifestEntry]:
    nothing = (None,) * kept
    for unit, number, line in _names(text):
        position = f"{unit}={number}"
        if line is None:
            yield ManifestEntry(position, BadManifestEntry("the line is too long"), nothing)
            continue
        cells = line.split("\t")
        if form is Format.LST and len(cells) > 2 and cells[0].isdigit():
            # MXNet: number, labels and name.
            line = cells[-1]
        yield ManifestEntry(position, line if line.strip() else None, nothing)


def _names(text: io.TextIOWrapper) -> Iterator[tuple[str, int, str | None]]:
    """Yield unit, number and text of each name; None for one that is too long."""
    head = text.buffer.peek(HEAD_BYTES)[:HEAD_BYTES]  # type: ignore[attr-defined]
    # `find -print0` writes a NUL byte behind each name. Padding is several of them.
    if (
        text.encoding == "utf-8-sig"
        and b"\0\0" not in head
        and head.count(b"\0") > head.count(b"\n")
    ):
        yield from (("item", number, name) for number, name in enumerate(_between_nuls(text), 1))
        return
    yield from (("line", number, line) for number, line, _ in lines(text))


def _between_nuls(text: io.TextIOWrapper) -> Iterator[str]:
    rest = ""
    while piece := text.read(_PIECE):
        *names, rest = (rest + piece).split("\0")
        yield from names
        if len(rest) > MOST_CHARACTERS:
            raise ManifestError(f"a name of more than {MOST_CHARACTERS:,} characters")
    if rest:
        yield rest
