"""Read manifests that are Parquet or Arrow files, by a process of their own."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import IO, TYPE_CHECKING, Any

from imagebeam.images.containers.errors import ContainerError, UnsupportedContainerError
from imagebeam.images.errors import BadManifestEntry, BadMember, UnreadableListing
from imagebeam.images.listing.manifests.entries import (
    Columns,
    ManifestEntry,
    ManifestError,
    NoColumnError,
    check_kept,
    name_or_error,
    no_column,
)
from imagebeam.images.listing.manifests.formats import Format, form_of_table, read_head

if TYPE_CHECKING:
    from imagebeam.images.containers.table_process import TableProcess


def columns(file: IO[bytes], form: Format, column: str) -> dict[str, Any]:
    """Return the columns of a table with their Arrow types; dictionaries as what they hold."""
    with closing(_opened(file)) as table:
        return _columns(table, form, column)


def read(file: IO[bytes], form: Format, column: str, keep: Columns) -> Iterator[ManifestEntry]:
    """Yield the entries of a table."""
    number = 0
    nothing = (None,) * len(keep)
    with closing(_opened(file)) as table:
        check_kept(_columns(table, form, column), keep)
        names = list({column: None, **keep})
        places = [names.index(name) for name in keep]
        try:
            for rows in table.rows(names, column, form is Format.PARQUET):
                kept = zip(*(rows.columns[at] for at in places), strict=True) if places else None
                for row, name in enumerate(rows.columns[0]):
                    number += 1
                    values = nothing if kept is None else next(kept)
                    if row in rows.bad:
                        error = BadManifestEntry(rows.bad[row])
                        yield ManifestEntry(f"row={number}", error, nothing)
                    else:
                        entry = name_or_error(name, column)
                        yield ManifestEntry(f"row={number}", entry, values)
        except ContainerError as error:
            if number == 0:
                raise _not_valid(form, error) from error
            reason = UnreadableListing(f"the rest cannot be read: {error}")
            yield ManifestEntry(f"row={number + 1}", reason, nothing)


def schema(file: IO[bytes]) -> dict[str, Any]:
    """Return the columns of a Parquet or Arrow file with their Arrow types; none of other files.

    Raises:
        ManifestError: it is damaged.
    """
    form = form_of_table(read_head(file))
    if form is None:
        return {}
    with closing(_opened(file)) as table:
        return dict(_found(table, form))


def column_rows(file: IO[bytes], names: Sequence[str]) -> Iterator[tuple[Any, ...] | BadMember]:
    """Yield the values of some columns of a table with images, row by row; none of other files.

    Text that is not UTF-8 is replaced. An error stands for a row with a value that cannot be kept.
    """
    form = form_of_table(read_head(file))
    if form is None:
        return
    with closing(_opened(file)) as table:
        for rows in table.rows(names, is_parquet=form is Format.PARQUET):
            for row, values in enumerate(zip(*rows.columns, strict=True)):
                yield BadMember(rows.bad[row]) if row in rows.bad else values


def _opened(file: IO[bytes]) -> "TableProcess":
    # Imported where it is needed: it imports Arrow.
    from imagebeam.images.containers.table_process import TableProcess

    return TableProcess(file)


def _columns(table: "TableProcess", form: Format, column: str) -> dict[str, Any]:
    import pyarrow as pa

    found = _found(table, form)
    types = dict(found)
    count = [name for name, _ in found].count(column)
    if count > 1:
        raise ManifestError(f"{count} columns are called `{column}`. Rename one.")
    if count == 0:
        raise NoColumnError(no_column(list(types), column))
    is_text = types[column] in (pa.string(), pa.large_string())
    if not (is_text or pa.types.is_integer(types[column])):
        raise NoColumnError(
            f"column `{column}` holds {types[column]}, not text. Name the column that holds the "
            f"images' names with --uri-column; it has {', '.join(map(repr, types))}."
        )
    return types


def _found(table: "TableProcess", form: Format) -> list[tuple[str, Any]]:
    try:
        return table.columns(form is Format.PARQUET)
    except ContainerError as error:
        raise _not_valid(form, error) from error


def _not_valid(form: Format, error: Exception) -> ManifestError:
    if isinstance(error, UnsupportedContainerError):
        return ManifestError(f"{error}.")
    return ManifestError(f"not valid {form.value.capitalize()}: {error}. Check the file.")
