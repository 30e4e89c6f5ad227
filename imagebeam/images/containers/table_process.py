"""Parquet and Arrow files, read by a process of their own.

Arrow's C++ code ends its process on some damaged files, and its memory cannot be limited otherwise.
Processes are kept for the next file: each takes the time to import Arrow.
"""

import base64
import io
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import IO, Any, NamedTuple

import pyarrow as pa

from imagebeam.child_process import ARROW_IN_LITTLE_MEMORY
from imagebeam.images.containers.column_types import described_type
from imagebeam.images.containers.errors import ContainerLimitError, DamagedContainerError
from imagebeam.images.containers.file_process import FileProcess, ProcessEndedError, path_of
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.table_child import (
    CLOSED,
    COLUMNS,
    ENTRIES,
    FAILED,
    IMAGE,
    KINDS,
    MEMORY,
    ROWS,
    ColumnsRequest,
    EntriesRequest,
    ImageRequest,
    MoreRowsRequest,
    RowsRequest,
    TableFile,
)
from imagebeam.images.containers.types import (
    ContainerLimits,
    Entry,
    Member,
    MemberCounter,
    MemberProblem,
    MemberSelection,
)
from imagebeam.images.errors import CODES, ImageError
from imagebeam.service_process import ProcessPool

_SECONDS = 120.0
_LIMITS = ContainerLimits()
_ANY = MemberSelection()

_MOST_BYTES = 200_000_000
"""Size of a message with columns or rows, at most. Their values take several times as much here."""

_MOST_MORE = 10_000
"""Bytes of an answer besides an image, at most."""

TABLE_PROCESSES = ProcessPool(
    "reads Parquet and Arrow files",
    "imagebeam.images.containers.table_child:serve",
    idle=2,
    variables=ARROW_IN_LITTLE_MEMORY,
)


class TableRows(NamedTuple):
    """Rows that follow one another.

    Attributes:
        columns: their values.
        bad: why a value cannot be kept, by the position of the row.
    """

    columns: list[list[Any]]
    bad: dict[int, str]


class TableProcess:
    """One Parquet or Arrow file, read by another process.

    Errors of the file itself, from its disk or server, pass through.
    """

    def __init__(
        self,
        file: IO[bytes],
        selection: MemberSelection = _ANY,
        limits: ContainerLimits = _LIMITS,
        seconds: float = _SECONDS,
    ) -> None:
        """Keep the settings; nothing starts before it is needed.

        Args:
            file: the Parquet or Arrow file; the caller closes it.
            selection: which column holds the image.
            limits: what it may cost.
            seconds: the time limit for one answer of the other process.
        """
        opened = TableFile(path_of(file), file.seek(0, io.SEEK_END), selection, limits)
        self._process = FileProcess(TABLE_PROCESSES, file, seconds, opened)
        self._is_used_up = False

    def members(self, counter: MemberCounter) -> Iterator[Entry]:
        """Yield one image per row; see `parquets.members`."""
        try:
            message = self._checked(self._process.request(EntriesRequest()), ENTRIES)
            while message[:1] != CLOSED:
                counter.seen, entries = self._parsed(message)
                yield from map(_entry, entries)
                message = self._checked(self._process.answer(), ENTRIES)
        except GeneratorExit:
            self._process.lose()
            raise
        finally:
            self.close()

    def read(self, place: tuple[int, ...], max_bytes: int) -> bytes:
        """Return the encoded image of a row.

        Raises:
            ImageError: one of its leaves.
            DamagedContainerError: the other process ended, twice.
        """
        message = self._answer(ImageRequest(place, max_bytes), IMAGE, max_bytes + _MOST_MORE)
        return bytes(memoryview(message)[1:])

    def columns(self, is_parquet: bool = True) -> list[tuple[str, pa.DataType]]:
        """Return the columns with their types, without those of types that no output can hold.

        Raises:
            DamagedContainerError: it is no such file.
            UnsupportedContainerError: a name is not text.
        """
        found = self._asked(ColumnsRequest(is_parquet), COLUMNS)
        try:
            types = [(str(name), described_type(kind)) for name, kind in found]
        except (TypeError, ValueError) as error:
            raise self._unknown() from error
        return [(name, kind) for name, kind in types if kind is not None]

    def rows(
        self, names: Sequence[str], exact: str | None = None, is_parquet: bool = True
    ) -> Iterator[TableRows]:
        """Yield the values of columns; see `tables.rows`.

        Raises:
            DamagedContainerError: it cannot be read any further.
            ContainerLimitError: it exceeds a limit.
        """
        found = self._asked(RowsRequest(is_parquet, list(names), exact), ROWS)
        while found is not None:
            try:
                count, columns, reasons = found
                values = [_values(each, count) for each in columns]
                bad = {int(row): str(reason) for row, reason in reasons.items()}
            except (TypeError, ValueError, RecursionError, ArithmeticError) as error:
                raise self._unknown() from error
            yield TableRows(values, bad)
            found = self._asked(MoreRowsRequest(), ROWS)

    def close(self) -> None:
        """Let the other process serve another file."""
        if self._is_used_up:
            # The memory that it still holds would be missing for the next file.
            self._process.lose()
        self._process.close()

    def _asked(self, request: Any, kind: bytes) -> Any:
        """Return what another process answers; None if there is no more."""
        message = self._answer(request, kind, _MOST_BYTES)
        return None if message[:1] == CLOSED else self._parsed(message)

    def _answer(self, request: Any, kind: bytes, most: int) -> bytearray:
        try:
            return self._checked(self._process.request(request, most), kind)
        except ProcessEndedError:
            if isinstance(request, MoreRowsRequest):
                raise
            # Something else may have ended it: a new process shows whether the file is the reason.
            return self._checked(self._process.request(request, most), kind)

    def _checked(self, message: bytearray, kind: bytes) -> bytearray:
        if message[:1] == FAILED:
            kind_of_failure, text = self._parsed(message)
            self._is_used_up = self._is_used_up or kind_of_failure == MEMORY
            raise _failure(kind_of_failure, text)
        if message[:1] not in (kind, CLOSED):
            raise self._unknown()
        return message

    def _parsed(self, message: bytearray) -> Any:
        try:
            return json.loads(memoryview(message)[1:].tobytes())
        except (ValueError, RecursionError) as error:
            raise self._unknown() from error

    def _unknown(self) -> DamagedContainerError:
        self._process.lose()
        return DamagedContainerError("the process that reads it sent an unknown message")


def _entry(entry: Any) -> Entry:
    name, place, error = entry
    if error is None:
        return Member(name, tuple(place), ContainerKind.PARQUET)
    code, text, path = error
    return MemberProblem(name, CODES[code](text), path=path)


def _values(column: Any, count: int) -> list[Any]:
    is_json, values = column
    if len(values) != count:
        raise ValueError("columns of different lengths")
    if is_json:
        values = [None if each is None else json.loads(each, object_hook=_value) for each in values]
    return list(values)


def _value(tagged: dict[str, Any]) -> Any:
    match tagged:
        case {"struct": fields}:
            return dict(fields)
        case {"tuple": parts}:
            return tuple(parts)
        case {"bytes": text}:
            return base64.b64decode(text)
        case {"decimal": text}:
            return Decimal(text)
        case _:
            raise ValueError("an object without a meaning")


def _failure(kind: str, text: str) -> Exception:
    known: dict[str, type[ImageError] | type[Exception]] = {
        **CODES,
        **KINDS,
        MEMORY: ContainerLimitError,
    }
    return known[kind](text) if kind in known else RuntimeError(f"{kind}: {text}")
