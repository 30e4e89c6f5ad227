"""Arrow files and streams with a column of encoded images: Feather, and caches of Hugging Face.

They are read batch by batch, in the process that reads Parquet files.
"""

from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa

from imagebeam.images.containers.image_tables import (
    ListedRow,
    check_column,
    entries,
    image_bytes,
    image_column,
    name_of,
    path_column,
    values_of,
)
from imagebeam.images.containers.table_files import named_damage, open_arrow
from imagebeam.images.containers.types import ContainerLimits, Entry, MemberCounter, MemberSelection
from imagebeam.images.errors import BadMember


def members(
    file: IO[bytes], selection: MemberSelection, limits: ContainerLimits, counter: MemberCounter
) -> Iterator[Entry]:
    """Yield one image per row; see `parquets.members`."""
    with named_damage("not a readable Arrow file: "):
        schema, batches = open_arrow(file)
        column = image_column(schema, selection)
        check_column(schema, selection.id_key)
        path = path_column(schema, column)
        rows = _rows(batches, column, path, selection.id_key, limits)
        yield from entries(rows, selection, counter)


def _rows(
    batches: Iterator[pa.RecordBatch],
    column: str,
    path: str | None,
    key: str | None,
    limits: ContainerLimits,
) -> Iterator[ListedRow]:
    for number, batch in enumerate(batches):
        is_null = values_of(batch, column).is_null()
        paths = values_of(batch, path) if path and is_null.true_count else None
        names = values_of(batch, key) if key else None
        for row in range(batch.num_rows):
            name = None if names is None else name_of(names[row], limits)
            path_of_row = None
            if paths is not None and is_null[row].as_py():
                path_of_row = name_of(paths[row], limits)
            yield (number, row), name, path_of_row


class RowReader:
    """Reads images by row, as for Parquet. A step back starts at the first batch again."""

    def __init__(self, file: IO[bytes], selection: MemberSelection, _: ContainerLimits) -> None:
        self._file = file
        self._selection = selection
        self._restart()

    def _restart(self) -> None:
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
                self._values = values_of(next(self._batches), self._column)
                self._number += 1
            value = self._values[row]
        except (pa.ArrowException, OSError, StopIteration, IndexError) as error:
            self._number = 1 << 62
            raise BadMember(f"batch {number} cannot be read: {error}") from error
        return image_bytes(value, max_bytes)
