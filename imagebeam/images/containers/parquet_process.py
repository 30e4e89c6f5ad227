"""Parquet files, read by a process of their own.

Arrow's C++ code ends its process on some damaged files, and its memory cannot be limited otherwise.
Processes are kept for the next file: each takes the time to import Arrow.
"""

import io
import json
from collections.abc import Iterator
from typing import IO, Any

from imagebeam.images.containers.file_process import FileProcess, ProcessEndedError, path_of
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.parquet_child import (
    CLOSED,
    ENTRIES,
    FAILED,
    IMAGE,
    KINDS,
    Listing,
    Opened,
    Reading,
)
from imagebeam.images.containers.types import (
    ContainerLimits,
    DamagedContainerError,
    Entry,
    Member,
    MemberCounter,
    MemberProblem,
    MemberSelection,
)
from imagebeam.images.errors import CODES, ImageError
from imagebeam.service_process import ProcessPool

_SECONDS = 120.0

PARQUET_PROCESSES = ProcessPool(
    "reads Parquet files", "imagebeam.images.containers.parquet_child:serve", idle=2
)


class ParquetProcess:
    """One Parquet file, read by another process.

    Errors of the file itself, from its disk or server, pass through.
    """

    def __init__(
        self,
        file: IO[bytes],
        selection: MemberSelection,
        limits: ContainerLimits,
        seconds: float = _SECONDS,
    ) -> None:
        """Start nothing yet.

        Args:
            file: the Parquet file; the caller closes it.
            selection: which column holds the image.
            limits: what it may cost.
            seconds: for one answer of the other process.
        """
        opened = Opened(path_of(file), file.seek(0, io.SEEK_END), selection, limits)
        self._process = FileProcess(PARQUET_PROCESSES, file, seconds, opened)

    def members(self, counter: MemberCounter) -> Iterator[Entry]:
        """Yield one image per row; see `parquets.members`."""
        try:
            message = self._checked(self._process.request(Listing()))
            while message[:1] != CLOSED:
                counter.seen, entries = _parsed(message)
                yield from map(_entry, entries)
                message = self._checked(self._process.answer())
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
        request = Reading(place, max_bytes)
        try:
            return self._image(request)
        except ProcessEndedError:
            # Something else may have ended it: a new process shows whether the file is the reason.
            return self._image(request)

    def close(self) -> None:
        """Let the other process serve another file."""
        self._process.close()

    def _image(self, request: Reading) -> bytes:
        return bytes(memoryview(self._checked(self._process.request(request)))[1:])

    def _checked(self, message: bytearray) -> bytearray:
        if message[:1] == FAILED:
            raise _failure(message)
        if message[:1] not in (ENTRIES, IMAGE, CLOSED):
            self._process.lose()
            raise DamagedContainerError("the process that reads it sent an unknown message")
        return message


def _parsed(message: bytearray) -> Any:
    return json.loads(message[1:])


def _entry(entry: Any) -> Entry:
    name, place, error = entry
    if error is None:
        return Member(name, tuple(place), ContainerKind.PARQUET)
    code, text, path = error
    return MemberProblem(name, CODES[code](text), path=path)


def _failure(message: bytearray) -> Exception:
    kind, text = _parsed(message)
    known: dict[str, type[ImageError] | type[Exception]] = {**CODES, **KINDS}
    return known[kind](text) if kind in known else RuntimeError(f"{kind}: {text}")
