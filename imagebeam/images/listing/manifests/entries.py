"""The entries of manifests, whatever their format, and the values that rows keep of them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from imagebeam.errors import ImagebeamError
from imagebeam.images.errors import BadManifestEntry, ListingError
from imagebeam.storage.clean_text import clean_text

URI_COLUMN = "uri"
_DEEPEST = 32
_LONGEST_SHOWN = 120
_NAMES_SHOWN = 30
_SURROGATES = re.compile("[\ud800-\udfff]")
_QUERY = re.compile(r"\?[^\s\"']+")
"""Any query: an entry without a scheme may hold one too."""

Columns = Mapping[str, Any]
"""Names of columns, each with its Arrow type."""


class ManifestError(ImagebeamError, ValueError):
    """A manifest that cannot be read as one at all; says reason and fix."""


class NoColumnError(ManifestError):
    """A table without a column that names images."""


class ManifestEntry(NamedTuple):
    """One line or row.

    Attributes:
        position: `line=N` (RFC 5147), `row=N` (RFC 7111) or `item=N`, from 1.
        value: the name of an image as the manifest has it, or the error in its place; None for a
            blank line.
        extra_columns: values of the columns to keep, in their order.
        lines_lost: further lines that the error takes with it.
    """

    position: str
    value: str | ListingError | None
    extra_columns: tuple[Any, ...] = ()
    lines_lost: int = 0


class UnfitError(Exception):
    """A value that its column's type cannot hold; says why."""


def name_or_error(value: object, column: str) -> str | ListingError:
    """Return the name that a cell holds, or why it holds none."""
    if isinstance(value, str) and value.strip():
        return value
    if type(value) is int:
        # A number, of which --name makes a file name.
        return str(value)
    return BadManifestEntry(f"`{column}` is {shown(value)}, not the name of an image")


def fitting(row: Mapping[str, Any], keep: Columns) -> tuple[Any, ...]:
    """Return the row's values of the columns to keep; raise UnfitError if a type does not fit."""
    import pyarrow as pa

    values = tuple(cleaned(row.get(column), column) for column in keep)
    for value, (column, kind) in zip(values, keep.items(), strict=True):
        try:
            pa.scalar(value, kind)
        except (pa.ArrowException, OverflowError, UnicodeError, RecursionError) as error:
            raise UnfitError(f"`{column}` is {shown(value)}, and not {kind} as above it") from error
    return values


def readable(text: str) -> str:
    """Return text that tables can hold: bytes that are not UTF-8 are those of Windows' code page.

    Args:
        text: in which such bytes are surrogates.
    """
    if not _SURROGATES.search(text):
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("cp1252")
    except UnicodeError:
        return _SURROGATES.sub("\ufffd", text)


def cleaned(value: Any, column: str, depth: int = 0) -> Any:
    """Return a value with text that tables can hold; None for an object without keys.

    Raises:
        UnfitError: it is nested too deep.
    """
    if depth > _DEEPEST:
        raise UnfitError(f"`{column}` is nested more than {_DEEPEST} deep")
    match value:
        case str():
            return readable(value)
        case list():
            return [cleaned(each, column, depth + 1) for each in value]
        case dict():
            # Parquet cannot hold a structure without fields.
            return {
                readable(name): cleaned(each, column, depth + 1) for name, each in value.items()
            } or None
        case _:
            return value


def shown(value: object) -> str:
    """Return a value for a message: short, printable, and without the secrets of URLs."""
    try:
        text = repr(value[: 2 * _LONGEST_SHOWN] if isinstance(value, str) else value)
    except RecursionError:
        text = f"a {type(value).__name__} that is nested too deep"
    text = _SURROGATES.sub("\ufffd", _QUERY.sub("?…", clean_text(text)))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def check_kept(names: Iterable[str], keep: Iterable[str]) -> None:
    """Raise ManifestError if a table lacks one of the columns to keep, or has it twice."""
    names = list(names)
    if twice := [name for name in keep if names.count(name) > 1]:
        count = names.count(twice[0])
        raise ManifestError(f"{count} columns are called {shown(twice[0])}. Rename one.")
    if missing := [name for name in keep if name not in names]:
        raise ManifestError(f"the column to keep {shown(missing[0])} is missing. Check the file.")


def no_column(names: Sequence[str], column: str) -> str:
    """Return the message for a table without the column that names the images."""
    some = ", ".join(shown(name) for name in names[:_NAMES_SHOWN]) or "no columns"
    more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
    return (
        f"no column `{column}`; it has {some}{more}. Name the column that holds the images' names "
        "with --uri-column."
    )
