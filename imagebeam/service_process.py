"""Child processes that answer messages, and pools of those that wait for work."""

import atexit
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from imagebeam.channel import Channel
from imagebeam.child_process import command, ending, environment

START_SECONDS = 60.0
"""Time for a process to start."""

READY = b"+"
"""The first message of a process in a pool."""

_GRACE_SECONDS = 1.0


class ServiceProcess:
    """A Python process that a channel connects with this one.

    It ends with the thread that starts it, if its function uses `child_process.serving`.
    """

    def __init__(
        self,
        target: str,
        *arguments: object,
        descriptors: Sequence[int] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start it.

        Args:
            target: `package.module:function`. The function takes strings: the descriptor of its
                socket, those in `descriptors`, and the arguments.
            *arguments: of the function.
            descriptors: the descriptors of open files that the process inherits.
            variables: the variables to set in its environment.

        Raises:
            OSError: the system allows no other process.
        """
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        inherited = [theirs.fileno(), *descriptors]
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command(target, *inherited, *arguments),
                    pass_fds=inherited,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    # NumPy would start threads for linear algebra, which busy-wait.
                    env={"OPENBLAS_NUM_THREADS": "1"} | environment() | {**(variables or {})},
                )
        except BaseException:
            self.channel.close()
            raise

    @property
    def is_alive(self) -> bool:
        """True while it runs, and is a child of this process: a fork of it must not use it."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill it, whichever thread waits for it."""
        self._process.kill()

    def ending(self) -> str:
        """Return how a process ended whose channel was closed from the other end."""
        try:
            return ending(self._process.wait(_GRACE_SECONDS))
        except subprocess.TimeoutExpired:
            return "a closed socket"

    def end(self) -> None:
        """Kill it and wait for its end."""
        self.channel.close()
        self._process.kill()
        self._process.wait()


class ProcessPool:
    """Processes of one kind. Some are kept for the next work, because a start takes time.

    Attributes:
        purpose: what they do, for messages.
    """

    def __init__(
        self,
        purpose: str,
        target: str,
        idle: int,
        variables: Mapping[str, str] | None = None,
        lent: int = 1,
    ) -> None:
        """Keep the settings; nothing starts before it is needed.

        Args:
            purpose: what they do, for messages.
            target: see `ServiceProcess`. The function sends `READY` when it can serve.
            idle: processes that wait for work, at most.
            variables: the variables to set in their environment.
            lent: processes that `lend` lends at once, at most.
        """
        self.purpose = purpose
        self._most_lent = lent
        self._target = target
        self._variables = variables
        self._idle = idle
        self._waiting: list[ServiceProcess] = []
        self._renew()
        os.register_at_fork(after_in_child=self._renew)
        atexit.register(self.end)

    @contextmanager
    def lend(self, seconds: float) -> Iterator[ServiceProcess]:
        """Yield a process, once one may be lent. It is ended if the block raises.

        Args:
            seconds: the longest wait for one.

        Raises:
            TimeoutError: none became free in time.
            OSError: none can be started.
        """
        turns = self._turns
        if not turns.acquire(timeout=seconds):
            raise TimeoutError(f"no process that {self.purpose} was free for {seconds:g} s")
        try:
            process = self.take()
            try:
                yield process
            except BaseException:
                process.end()
                raise
            self.give_back(process)
        finally:
            turns.release()

    def take(self) -> ServiceProcess:
        """Return a process for the caller alone; raise OSError if none can be started."""
        with self._lock:
            while self._waiting:
                process = self._waiting.pop()
                if process.is_alive:
                    return process
                process.end()
        return self._starter.submit(self._start).result()

    def give_back(self, process: ServiceProcess) -> None:
        """Keep a process whose answers were all read for other work."""
        with self._lock:
            if len(self._waiting) < self._idle and process.is_alive:
                self._waiting.append(process)
                return
        process.end()

    def end(self) -> None:
        """End the processes that wait."""
        with self._lock:
            while self._waiting:
                self._waiting.pop().end()

    def _start(self) -> ServiceProcess:
        process = ServiceProcess(self._target, variables=self._variables)
        try:
            process.channel.receive(START_SECONDS)
        except (OSError, EOFError, ValueError) as error:
            how = process.ending()
            process.end()
            raise OSError(
                f"no process that {self.purpose} can be started: it ended with {how}"
            ) from error
        return process

    def _renew(self) -> None:
        # A garbage collection may give back a process while this thread holds the lock.
        self._lock = threading.RLock()
        self._turns = threading.Semaphore(self._most_lent)
        # The processes end with the thread that starts them, so it lives as long as this process.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="process-starter")
