"""Find the format of a manifest by its name and its content."""

import json
import posixpath
import re
from contextlib import suppress
from enum import Enum
from typing import IO, NamedTuple

from imagebeam.images.containers.content_kinds import COMPRESSED, is_arrow
from imagebeam.images.containers.decompression_process import decompressed_head
from imagebeam.images.containers.kinds import Compression
from imagebeam.images.listing.names import is_image_name

HEAD_BYTES = 4096
"""Bytes that show what a file is."""


class Format(Enum):
    """The file format of a manifest."""

    LINES = "lines"
    LST = "lst"
    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"
    ARROW = "arrow"


class ManifestFormat(NamedTuple):
    """The format of a manifest and the compression over it."""

    format: Format
    compression: Compression | None = None


_FORMATS = {
    ".txt": Format.LINES,
    ".lst": Format.LST,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".json": Format.JSON,
    ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES,
    ".parquet": Format.PARQUET,
    ".arrow": Format.ARROW,
    ".feather": Format.ARROW,
}
COMPRESSIONS = {
    ".gz": Compression.GZIP,
    ".bz2": Compression.BZIP2,
    ".xz": Compression.XZ,
    ".zst": Compression.ZSTANDARD,
}
"""Endings of the names of compressed manifests."""

BINARY = frozenset((Format.PARQUET, Format.ARROW))

_ADDRESS = re.compile(r"[a-z][a-z0-9]+://\S+$", re.IGNORECASE)
_DELIMITER = re.compile(r"[,\t;|]")
_UTF16 = {
    "utf-16-le": re.compile(rb"([\t\n\r -~]\0){3}"),
    "utf-16-be": re.compile(rb"(\0[\t\n\r -~]){3}"),
}


def format_of_name(name: str) -> ManifestFormat | None:
    """Return the format that a name stands for, such as `a.csv.gz`; None for other names."""
    stem, suffix = posixpath.splitext(name.lower())
    compression = COMPRESSIONS.get(suffix)
    if compression is not None:
        suffix = posixpath.splitext(stem)[1]
    found = _FORMATS.get(suffix)
    if found is None or (compression is not None and found in BINARY):
        return None
    return ManifestFormat(found, compression)


def format_of(name: str, file: IO[bytes], column: str) -> ManifestFormat:
    """Return the format of a manifest; its content corrects its name.

    Args:
        file: at its start, where it is left.
        column: the column that names the images.
    """
    head = read_head(file)
    if (table := form_of_table(head)) is not None:
        return ManifestFormat(table)
    compression = compression_of(head)
    named = format_of_name(name)
    if named is not None and named.format is not Format.LINES:
        return ManifestFormat(named.format, compression)
    inner = head if compression is None else decompressed_head(file, compression, HEAD_BYTES)
    file.seek(0)
    found = format_of_text(inner, column) if named is None else _format_of_lines(inner, column)
    return ManifestFormat(found or Format.LINES, compression)


def form_of_table(head: bytes) -> Format | None:
    """Return whether a file begins as Parquet or Arrow does; None for other content."""
    if head.startswith(b"PAR1"):
        return Format.PARQUET
    return Format.ARROW if is_arrow(head) else None


def format_of_text(head: bytes, column: str) -> Format | None:
    """Return the format that a text shows by its beginning; None if it shows none.

    Args:
        head: the beginning of the text.
        column: the column that names the images: a table has it in its header.
    """
    start = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if start.startswith(("[", "{")):
        return Format.JSON
    first, *others = start.splitlines() or [""]
    if column in (cell.strip(' "') for cell in _DELIMITER.split(first)):
        return Format.CSV
    # The last line may be cut off.
    names = [first, *(others[:-1] if len(head) >= HEAD_BYTES else others)]
    names = [name.rstrip() for name in names if name.strip()]
    is_list = names and all(
        (is_image_name(name) or _ADDRESS.match(name)) and not _DELIMITER.search(name)
        for name in names
    )
    return Format.LINES if is_list else None


def _format_of_lines(head: bytes, column: str) -> Format | None:
    """Return the format of a text called `.txt`, whose first line may be a name of any form."""
    first = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n").partition("\n")[0].strip()
    cells = [cell.strip(' "') for cell in _DELIMITER.split(first)]
    if len(cells) > 1 and column in cells:
        return Format.CSV
    with suppress(ValueError, RecursionError):
        item = json.loads(first)
        # A file may be called `[1]`.
        items = item[:1] if isinstance(item, list) else []
        if isinstance(item, dict) or any(isinstance(each, str | dict) for each in items):
            return Format.JSON
    return Format.JSON if first == "[" else None


def compression_of(head: bytes) -> Compression | None:
    """Return the compression that a file begins with, if it does."""
    return next((each for mark, each in COMPRESSED.items() if head.startswith(mark)), None)


def is_text(head: bytes) -> bool:
    """Return whether a file begins as text in UTF-8 or UTF-16 does."""
    if not head:
        return False
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")) or utf16_without_mark(head):
        return True
    return b"\0" not in head and sum(byte < 9 for byte in head) == 0


def utf16_without_mark(head: bytes) -> str | None:
    """Return the encoding of UTF-16 text that has no byte order mark; None for other content."""
    for encoding, ascii_letters in _UTF16.items():
        # Names of any language have a suffix: some letters of ASCII, one after the other.
        if any(found.start() % 2 == 0 for found in ascii_letters.finditer(head)):
            text = head[: len(head) // 2 * 2].decode(encoding, "ignore")
            if min(text) >= "\t":
                return encoding
    return None


def read_head(file: IO[bytes]) -> bytes:
    """Return the first bytes of a file and leave it at its start."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head
