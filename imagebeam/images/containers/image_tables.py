"""Tables with a column of encoded images: which column that is, and what cells hold."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import pyarrow as pa

from imagebeam.images.containers.errors import DamagedContainerError, UnsupportedContainerError
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import (
    ContainerLimits,
    Entry,
    Member,
    MemberCounter,
    MemberProblem,
    MemberSelection,
)
from imagebeam.images.errors import BadMember, FileTooLarge

ListedRow: TypeAlias = tuple[tuple[int, ...], str | None, str | None]
"""The place of an image, its name, and the path of the file that the row names instead."""


def entries(
    rows: Iterable[ListedRow], selection: MemberSelection, counter: MemberCounter
) -> Iterator[Entry]:
    """Yield one image per row of a table.

    Args:
        rows: in their order.
        selection: see `MemberSelection`; without a key, the number of a row is its name.
        counter: counts the rows.
    """
    for number, (place, name, path) in enumerate(rows, 1):
        counter.add()
        by_number = f"row={number}"
        if path is not None:
            error = BadMember("the row has no image: it names a file")
            yield MemberProblem(name or by_number, error, path=path)
        elif selection.id_key is not None and not name:
            reason = f"column {selection.id_key!r} is {'null' if name is None else 'empty'}"
            yield MemberProblem(by_number, BadMember(reason))
        else:
            yield Member(name or by_number, place, ContainerKind.PARQUET)


def image_column(schema: pa.Schema, selection: MemberSelection) -> str:
    """Return the path of the column with the images' bytes: `image`, or `image.bytes` in a struct.

    Raises:
        UnsupportedContainerError: there is none, or there are several and none was chosen.
    """
    found = {field.name: path for field in schema if (path := _bytes_path(field)) is not None}
    if selection.image_column is not None:
        if selection.image_column not in found:
            raise UnsupportedContainerError(
                f"no column of bytes is called {selection.image_column!r}. "
                f"There are {', '.join(map(repr, found)) or 'none'}"
            )
        return found[selection.image_column]
    if len(found) != 1:
        columns = ", ".join(map(repr, found))
        reason = (
            f"several columns hold bytes: {columns}. Choose one with --image-column"
            if found
            else f"no column holds bytes; it has {', '.join(map(repr, schema.names)) or 'none'}"
        )
        raise UnsupportedContainerError(reason)
    return next(iter(found.values()))


def path_column(schema: pa.Schema, column: str) -> str | None:
    """Return the path of the column with names of files beside the images' bytes, if it is there.

    Hugging Face writes structs of `bytes` and `path`, of which one may be null.
    """
    name, field = _parts(schema, column)
    is_there = (
        bool(field) and schema.field(schema.names.index(name)).type.get_field_index("path") >= 0
    )
    return f"{name}.path" if is_there else None


def check_column(schema: pa.Schema, key: str | None) -> None:
    """Raise UnsupportedContainerError if a table lacks the column that names its images."""
    if key is not None and _parts(schema, key)[0] not in schema.names:
        columns = ", ".join(map(repr, schema.names))
        raise UnsupportedContainerError(f"no column is called {key!r}. There are {columns}")


def values_of(batch: pa.RecordBatch, path: str) -> pa.Array:
    """Return the values of a column, or of a field of a struct: by default of its first."""
    name, field = _parts(batch.schema, path)
    # By position: several columns may have the name.
    column = batch.column(batch.schema.names.index(name))
    if not pa.types.is_struct(column.type):
        return column
    # Through flatten and not field: a null struct has a null value.
    return column.flatten()[column.type.get_field_index(field) if field else 0]


def image_bytes(value: Any, max_bytes: int) -> bytes:
    """Return the encoded image that a cell holds; raise ImageError if it is too large or null."""
    if not value.is_valid:
        raise BadMember("the row has no image: it is null")
    data = value.as_buffer()
    if data.size > max_bytes:
        raise FileTooLarge(f"{data.size:,} bytes, over the limit of {max_bytes:,}")
    return bytes(data)


def name_of(value: Any, limits: ContainerLimits) -> str | None:
    """Return the text or number in a cell, None for null; raise DamagedContainerError if long."""
    if not value.is_valid:
        return None
    if hasattr(value, "as_buffer"):
        data = value.as_buffer()
        if data.size > limits.name_bytes:
            raise DamagedContainerError(f"a name of {data.size:,} bytes")
        return bytes(data).decode("utf-8", "surrogateescape")
    return str(value.as_py())


def _bytes_path(field: pa.Field) -> str | None:
    kind = field.type
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return f"{field.name}.bytes" if index >= 0 and _is_bytes(kind.field(index).type) else None
    return field.name if _is_bytes(kind) else None


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _parts(schema: pa.Schema, path: str) -> tuple[str, str]:
    """Split a path into a column and a field of it; the name of a column may have dots too."""
    name, _, field = (path, "", "") if path in schema.names else path.partition(".")
    return name, field
