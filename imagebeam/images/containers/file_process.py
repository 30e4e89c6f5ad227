"""A file that another process reads for this one, because what it holds may end its reader."""

import os
import pickle
import weakref
from contextlib import suppress
from typing import Any

from imagebeam.channel import ANY_SIZE, Channel
from imagebeam.images.containers.errors import DamagedContainerError
from imagebeam.images.containers.lent_file import PART, part_of
from imagebeam.images.containers.types import ByteSource
from imagebeam.service_process import ProcessPool, ServiceProcess

_WAITS = 10


class ProcessEndedError(DamagedContainerError):
    """The other process ended, or had to be ended; the text says how."""


class ProcessTimeoutError(ProcessEndedError):
    """The other process took too long."""


class FileProcess:
    """One process of a pool that reads one file. It goes back to the pool with this object.

    Errors of the file itself, from its disk or server, pass through.
    """

    def __init__(
        self,
        pool: ProcessPool,
        file: ByteSource,
        seconds: float,
        opened: Any,
        part_bytes: int = ANY_SIZE,
    ) -> None:
        """Keep the settings; nothing starts before it is needed.

        Args:
            pool: the processes.
            file: the file from which the process requests parts, where it cannot open it by
                `path_of`.
            seconds: the time limit for one answer. The time in which this process reads a part does
                not count.
            opened: the first message, which says what to do with the file.
            part_bytes: the most bytes that the process gets at once.
        """
        self._pool = pool
        self._file = file
        self._seconds = seconds
        self._opened = opened
        self._part_bytes = part_bytes
        self._process: ServiceProcess | None = None
        self._finalizer: weakref.finalize[..., FileProcess] | None = None

    @property
    def is_open(self) -> bool:
        """True while a process has this file open."""
        return self._process is not None

    def request(self, message: Any, most: int = ANY_SIZE) -> bytearray:
        """Send a request and return its first answer, of at most so many bytes.

        Raises:
            ProcessEndedError: the process ended.
            OSError: none can be started.
        """
        messages = [message]
        if self._process is None:
            self._process = self._pool.take()
            self._finalizer = weakref.finalize(self, self._pool.give_back, self._process)
            messages.insert(0, self._opened)
        elif not self._process.is_alive:
            raise self._ended(EOFError())
        try:
            for each in messages:
                self._process.channel.send(pickle.dumps(each), seconds=self._seconds)
        except OSError as error:
            raise self._ended(error) from error
        except BaseException:
            self.lose()
            raise
        return self.answer(most)

    def answer(self, most: int = ANY_SIZE) -> bytearray:
        """Return the next message but requests for parts; raise ProcessEndedError at its end."""
        assert self._process is not None
        try:
            while True:
                channel = self._process.channel
                try:
                    message = self._received(channel, most)
                    if message[:1] != PART:
                        return message
                    start, size = part_of(message)
                except (OSError, EOFError, ValueError) as error:
                    raise self._ended(error) from error
                self._file.seek(start)
                part = self._file.read(min(size, self._part_bytes))
                try:
                    channel.send(part, seconds=self._seconds)
                except OSError as error:
                    raise self._ended(error) from error
        except BaseException:
            # An answer that was not read must not be taken for that of the next request.
            self.lose()
            raise

    def close(self) -> None:
        """Let the process read another file."""
        if self._finalizer is not None:
            self._finalizer()
        self._process = self._finalizer = None

    def lose(self) -> None:
        """Kill the process: its unread answer must not reach the next request."""
        if self._finalizer is not None and self._finalizer.detach() and self._process is not None:
            self._process.end()
        self._process = self._finalizer = None

    def _received(self, channel: Channel, most: int) -> bytearray:
        # In many short waits: a machine that sleeps, or a job that was stopped, uses up only one.
        for _ in range(_WAITS - 1):
            with suppress(TimeoutError):
                return channel.receive(self._seconds / _WAITS, most)
        return channel.receive(self._seconds / _WAITS, most)

    def _ended(self, error: Exception) -> ProcessEndedError:
        assert self._process is not None
        who = f"the process that {self._pool.purpose}"
        if isinstance(error, TimeoutError):
            ended: ProcessEndedError = ProcessTimeoutError(
                f"{who} took more than {self._seconds:g} s"
            )
        else:
            ended = ProcessEndedError(f"{who} ended with {self._process.ending()}")
        self.lose()
        return ended


def path_of(file: Any) -> str:
    """Return a name under which another process can open the file; "" if there is none."""
    try:
        path = f"/proc/{os.getpid()}/fd/{file.fileno()}"
        return path if os.path.exists(path) else ""
    except (OSError, AttributeError):
        return ""
