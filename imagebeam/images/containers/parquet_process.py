"""Parquet files, read by a process of their own.

Arrow's C++ code ends its process on some damaged files, and its memory cannot be limited otherwise.
Processes are kept for the next file: each takes the time to import Arrow.
"""

import atexit
import io
import json
import os
import pickle
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import IO, Any

from imagebeam import child_process
from imagebeam.images.channel import ANY_SIZE, Channel
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.parquet_child import (
    CLOSED,
    ENTRIES,
    FAILED,
    IMAGE,
    KINDS,
    PART,
    RANGE,
    READY,
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

_START_SECONDS = 60.0
_SECONDS = 120.0
_IDLE = 2
"""Processes that wait for the next file."""


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
        self._file = file
        size = file.seek(0, io.SEEK_END)
        self._opened = Opened(_path(file), size, selection, limits)
        self._seconds = seconds
        self._child: _Child | None = None

    def members(self, counter: MemberCounter) -> Iterator[Entry]:
        """Yield one image per row; see `parquets.members`."""
        try:
            self._request(Listing())
            while (message := self._answer())[:1] != CLOSED:
                counter.seen, entries = _parsed(message)
                yield from map(_entry, entries)
        except GeneratorExit:
            self._lose()
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
            self._request(request)
            return self._answer()[1:]
        except _EndedError:
            # Something else may have ended it: a new process shows whether the file is the reason.
            self._request(request)
            return self._answer()[1:]

    def close(self) -> None:
        """Let the other process serve another file."""
        child, self._child = self._child, None
        if child is not None:
            _give_back(child)

    def _request(self, request: Listing | Reading) -> None:
        if self._child is None:
            self._child = _take()
            self._send(self._opened)
        self._send(request)

    def _send(self, message: Any) -> None:
        assert self._child is not None
        try:
            self._child.channel.send(pickle.dumps(message), self._seconds)
        except OSError as error:
            raise self._ended(error) from error

    def _answer(self) -> bytes:
        """Return the next message that is no request for a part of the file."""
        while True:
            assert self._child is not None
            try:
                message = bytes(self._child.channel.receive(self._seconds, most=ANY_SIZE))
            except (OSError, EOFError, ValueError) as error:
                raise self._ended(error) from error
            kind = message[:1]
            if kind == PART and len(message) == 1 + RANGE.size:
                start, size = RANGE.unpack(message[1:])
                try:
                    self._file.seek(start)
                    data = self._file.read(min(size, self._opened.size))
                    self._child.channel.send(data, self._seconds)
                except BaseException:
                    self._lose()
                    raise
            elif kind == FAILED:
                raise _failure(message)
            elif kind in (ENTRIES, IMAGE, CLOSED):
                return message
            else:
                raise self._ended(ValueError("it answered with an unknown message"))

    def _ended(self, error: Exception) -> "_EndedError":
        reason = self._lose()
        if isinstance(error, TimeoutError):
            reason = f"took more than {self._seconds:g} s"
        return _EndedError(f"the process that reads Parquet files {reason}")

    def _lose(self) -> str:
        """Kill the other process; return how it ended."""
        child, self._child = self._child, None
        return "is gone" if child is None else child.end()


class _EndedError(DamagedContainerError):
    pass


class _Child:
    """A process that can read one file after the other."""

    def __init__(self, memory: int) -> None:
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        with theirs:
            self._process = subprocess.Popen(
                child_process.command(
                    "imagebeam.images.containers.parquet_child:serve", theirs.fileno(), memory
                ),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"OPENBLAS_NUM_THREADS": "1"} | child_process.environment(),
            )
        try:
            if bytes(self.channel.receive(_START_SECONDS)) != READY:
                raise EOFError
        except (OSError, EOFError, ValueError) as error:
            how = self.end()
            raise OSError(
                f"no process that reads Parquet files can be started: it {how}"
            ) from error

    @property
    def is_alive(self) -> bool:
        """True while the process runs."""
        return self._process.poll() is None

    def end(self) -> str:
        """Kill it; return how it had ended before that."""
        self.channel.close()
        try:
            code = self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return "was stopped"
        how = f"signal {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"
        return f"ended with {how}"


_lock = threading.Lock()
_waiting: list[_Child] = []


def _take() -> _Child:
    with _lock:
        while _waiting:
            child = _waiting.pop()
            if child.is_alive:
                return child
            child.end()
    return _starter().submit(_Child, ContainerLimits().process_bytes).result()


@cache
def _starter() -> ThreadPoolExecutor:
    """Return a thread that lives as long as this process: its children end with it."""
    return ThreadPoolExecutor(1, thread_name_prefix="parquet-process")


def _give_back(child: _Child) -> None:
    with _lock:
        if len(_waiting) < _IDLE and child.is_alive:
            _waiting.append(child)
            return
    child.end()


@atexit.register
def end_idle_processes() -> None:
    """End the processes that wait for another file."""
    with _lock:
        while _waiting:
            _waiting.pop().end()


def _path(file: IO[bytes]) -> str:
    """Return a name under which another process can open the file; "" if there is none."""
    try:
        return f"/proc/{os.getpid()}/fd/{file.fileno()}"
    except (OSError, AttributeError):
        return ""


def _parsed(message: bytes) -> Any:
    return json.loads(message[1:])


def _entry(entry: Any) -> Entry:
    name, place, error = entry
    if error is None:
        return Member(name, tuple(place), ContainerKind.PARQUET)
    code, text, path = error
    return MemberProblem(name, CODES[code](text), path=path)


def _failure(message: bytes) -> Exception:
    kind, text = _parsed(message)
    known: dict[str, type[ImageError] | type[Exception]] = {**CODES, **KINDS}
    return known[kind](text) if kind in known else RuntimeError(f"{kind}: {text}")
