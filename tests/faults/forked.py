"""Run commands in processes that are forked from one that has imported everything.

So a job takes a second, and hundreds of them can be disturbed. The start itself is disturbed with
`tests.faults.jobs.Job`.
"""

import ctypes
import itertools
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from imagebeam.beam_pipeline.__main__ import main

_PATIENCE = 300
"""Seconds after which a process that should have ended is considered to hang."""

_ASKING = threading.Lock()
"""Held while processes are asked if they live, as the start of one does with all.

The answer how a process ended comes once: of two threads that ask, one would get it.
"""

_CHANGES = frozenset({"os.link", "os.mkdir", "os.remove", "os.rename", "os.symlink", "os.utime"})
_LOOKS = frozenset({"open", "os.scandir"})

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        *("tests.faults.forked", "boto3", "google.cloud.storage", "ai_edge_litert.interpreter"),
        *(f"imagebeam.beam_pipeline.cli.{name}" for name in ("label", "compact", "export")),
        *(
            "imagebeam.beam_pipeline.job",
            "imagebeam.report.page",
            "imagebeam.outputs.compaction.compact",
        ),
    ]
)


@dataclass(frozen=True)
class Fate:
    """The end of a process at a moment of its own work, so that no machine is too fast for it.

    Attributes:
        folder: the folder that is watched.
        step: SIGKILL before the n-th file that it opens, reads, makes or changes there; 0 counts.
        file_bytes: size that none of its files may exceed.
        is_fatal: whether a write beyond that size ends it, instead of failing.
    """

    folder: Path = Path("/")
    step: int = 0
    file_bytes: int = resource.RLIM_INFINITY
    is_fatal: bool = False


class Forked:
    """One command in a process group of its own.

    Attributes:
        log: receives its standard error.
    """

    def __init__(self, arguments: tuple[object, ...], log: Path, fate: Fate | None = None) -> None:
        """Start it and wait until its own code runs.

        Args:
            arguments: of the command line, its command first.
            log: a file that does not exist yet.
            fate: what ends it.
        """
        self.log = log
        # One thread, as the command line sets it before NumPy is imported.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        words = [str(argument) for argument in arguments]
        self._process = SERVER.Process(
            target=_run, args=(words, log, fate or Fate(), dict(os.environ))
        )
        with _ASKING:
            self._process.start()
        self.wait_until(log.exists)

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def steps(self) -> int:
        """Return how many steps a command took that ended by itself."""
        return int(_steps(self.log).read_text() or 0)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until the condition is true or the process has ended."""
        while not ready() and self._is_alive():
            time.sleep(0.002)

    def _is_alive(self) -> bool:
        with _ASKING:
            return self._process.is_alive()

    def children(self) -> list[psutil.Process]:
        """Return all processes below it; none if it has ended."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def finish(self) -> tuple[int, str]:
        """Wait for its end; return exit code and standard error."""
        end = time.monotonic() + _PATIENCE
        self.wait_until(lambda: time.monotonic() > end)
        code = self._process.exitcode
        if code is None:
            raise TimeoutError(f"{self.log}: the process still runs after {_PATIENCE} s")
        return code, self.log.read_text(errors="replace") if self.log.exists() else ""


def without_root_rights() -> None:
    """Let this process do no more than the owner of its files, even if that is root."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).unshare(_NEW_USERS)


_NEW_USERS = 0x10000000
"""The flag CLONE_NEWUSER of Linux."""


def _steps(log: Path) -> Path:
    return log.with_suffix(".steps")


def _run(arguments: list[str], log: Path, fate: Fate, environment: Mapping[str, str]) -> None:
    try:
        _prepare(arguments, log, fate, environment)
        main()
    except KeyboardInterrupt:
        sys.exit(130)


def _prepare(arguments: list[str], log: Path, fate: Fate, environment: Mapping[str, str]) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    # A shell ignores Ctrl-C for what it starts in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["imagebeam", *arguments]
    if fate.file_bytes != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if fate.is_fatal else signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (fate.file_bytes, resource.RLIM_INFINITY))
    counter = itertools.count(1)
    folder = str(fate.folder)

    def watch(event: str, values: tuple[object, ...]) -> None:
        if (event in _CHANGES or event in _LOOKS) and str(values[0]).startswith(folder):
            number = next(counter)
            if number == fate.step:
                os.kill(os.getpid(), signal.SIGKILL)
            if not fate.step:
                os.pwrite(steps, str(number).encode(), 0)

    steps = os.open(_steps(log), os.O_WRONLY | os.O_CREAT)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    if fate.folder != Path("/"):
        sys.addaudithook(watch)
