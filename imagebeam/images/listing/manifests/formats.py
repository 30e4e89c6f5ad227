"""Tell the format of a manifest by its name and its content."""

import posixpath
import re
from enum import Enum
from typing import IO, NamedTuple

from imagebeam.images.containers.decompression_process import decompressed_head
from imagebeam.images.containers.kinds import Compression

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
_COMPRESSIONS = {
    ".gz": Compression.GZIP,
    ".bz2": Compression.BZIP2,
    ".xz": Compression.XZ,
    ".zst": Compression.ZSTANDARD,
}
_BINARY = (Format.PARQUET, Format.ARROW)
_MAGIC = (
    (b"\x1f\x8b", Compression.GZIP),
    (b"BZh", Compression.BZIP2),
    (b"\xfd7zXZ\0", Compression.XZ),
    (b"\x28\xb5\x2f\xfd", Compression.ZSTANDARD),
)

_UTF16 = {
    "utf-16-le": re.compile(rb"([\t\n\r -~]\0){3}"),
    "utf-16-be": re.compile(rb"(\0[\t\n\r -~]){3}"),
}


def format_of_name(name: str) -> ManifestFormat | None:
    """Return the format that a name stands for, such as `a.csv.gz`; None for other names."""
    stem, suffix = posixpath.splitext(name.lower())
    compression = _COMPRESSIONS.get(suffix)
    if compression is not None:
        suffix = posixpath.splitext(stem)[1]
    found = _FORMATS.get(suffix)
    if found is None or (compression is not None and found in _BINARY):
        return None
    return ManifestFormat(found, compression)


def format_of(name: str, head: bytes, column: str) -> ManifestFormat:
    """Return the format of a manifest; its content corrects its name.

    Args:
        name: of the file.
        head: its first `HEAD_BYTES` bytes.
        column: that names the images.
    """
    if head.startswith(b"PAR1"):
        return ManifestFormat(Format.PARQUET)
    if head.startswith(b"ARROW1"):
        return ManifestFormat(Format.ARROW)
    compression = compression_of(head)
    if (named := format_of_name(name)) is not None:
        return ManifestFormat(named.format, compression)
    inner = head if compression is None else decompressed_head(head, HEAD_BYTES)
    return ManifestFormat(format_of_text(inner, column) or Format.LINES, compression)


def format_of_text(head: bytes, column: str) -> Format | None:
    """Return the format that a text shows by its beginning; None if it shows none.

    Args:
        head: of the text.
        column: that names the images: a table has it in its header.
    """
    start = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if start.startswith(("[", "{")):
        return Format.JSON
    header = re.split(r"[,\t;|]", start.partition("\n")[0])
    return Format.CSV if column in (cell.strip(' "\r') for cell in header) else None


def compression_of(head: bytes) -> Compression | None:
    """Return the compression that a file begins with, if it does."""
    return next((each for magic, each in _MAGIC if head.startswith(magic)), None)


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
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head
