"""Arrow files and streams with a column of encoded images: Feather, and caches of Hugging Face.

They are read batch by batch, in the process that reads Parquet files.
"""

from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa

from imagebeam.images.containers.parquets import (
    ListedRow,
    check_column,
    entries,
    image_bytes,
    image_column,
    name_of,
)
from imagebeam.images.containers.types import (
    ContainerLimits,
    DamagedContainerError,
    Entry,
    MemberCounter,
    MemberSelection,
)
from imagebeam.images.errors import BadMember

_FILE_MARK = b"ARROW1"


def open_arrow(file: IO[bytes]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the schema of an Arrow file or stream, and its batches.

    Raises:
        pa.ArrowException: it is none.
    """
    is_file = file.read(len(_FILE_MARK)) == _FILE_MARK
    file.seek(0)
    reader = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
    found = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
    return reader.schema, map(_validated, found)


def _validated(batch: pa.RecordBatch) -> pa.RecordBatch:
    # Offsets in the file may point outside its buffers.
    batch.validate(full=True)
    return batch


def members(
    file: IO[bytes], selection: MemberSelection, limits: ContainerLimits, counter: MemberCounter
) -> Iterator[Entry]:
    """Yield one image per row; see `parquets.members`."""
    try:
        schema, batches = open_arrow(file)
        column = image_column(schema, selection)
        check_column(schema, selection.id_key)
        yield from entries(_rows(batches, column, selection, limits), selection, counter)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedContainerError(f"not a readable Arrow file: {error}") from error


def _rows(
    batches: Iterator[pa.RecordBatch],
    column: str,
    selection: MemberSelection,
    limits: ContainerLimits,
) -> Iterator[ListedRow]:
    name, _, field = column.partition(".")
    for number, batch in enumerate(batches):
        has_path = bool(field) and batch[name].type.get_field_index("path") >= 0
        is_null = _leaf(batch, column).is_null()
        paths = _leaf(batch, f"{name}.path") if has_path and is_null.true_count else None
        names = _leaf(batch, selection.id_key) if selection.id_key else None
        for row in range(batch.num_rows):
            key = None if names is None else name_of(names[row], limits)
            path = None
            if paths is not None and is_null[row].as_py():
                path = name_of(paths[row], limits)
            yield (number, row), key, path


class Rows:
    """Reads images by row; see `parquets.Rows`. A step back starts at the first batch again."""

    def __init__(self, file: IO[bytes], selection: MemberSelection, _: ContainerLimits) -> None:
        self._file = file
        self._selection = selection
        self._restart()

    def _restart(self) -> None:
        self._file.seek(0)
        schema, self._batches = open_arrow(self._file)
        self._column = image_column(schema, self._selection)
        self._number = -1
        self._values: Any = None

    def read(self, place: tuple[int, ...], max_bytes: int) -> bytes:
        """Return the encoded image of a row.

        Raises:
            ImageError: it is too large, null, or cannot be read.
        """
        number, row = place
        try:
            if number < self._number:
                self._restart()
            while self._number < number:
                self._values = None
                self._values = _leaf(next(self._batches), self._column)
                self._number += 1
            value = self._values[row]
        except (pa.ArrowException, OSError, StopIteration, IndexError) as error:
            self._number = 1 << 62
            raise BadMember(f"batch {number} cannot be read: {error}") from error
        return image_bytes(value, max_bytes)


def _leaf(batch: pa.RecordBatch, path: str) -> pa.Array:
    """Return the column `image`, or the field of a struct, `image.bytes`."""
    name, _, field = path.partition(".")
    column = batch[name]
    # Through flatten and not field: a null struct has a null leaf.
    return column.flatten()[column.type.get_field_index(field)] if field else column
