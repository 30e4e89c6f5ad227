"""One contender's run, timed and watched from outside."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_LOOK_SECONDS = 0.05
_ERRORS_SHOWN = 2000


@dataclass(frozen=True)
class Run:
    """The time and memory of one run.

    Attributes:
        seconds: from the start of its process to the end.
        largest_mb: the most memory that its largest process held, resident, in 10⁶ bytes.
        family_mb: the most that all its processes held together, in the same unit.
        cpu: seconds in which its processes had a core.
        switches: of context, voluntary or not.
    """

    seconds: float
    largest_mb: float
    family_mb: float
    cpu: float
    switches: int


class FailedRunError(RuntimeError):
    """A contender ended with an error; the message names it."""


def run(command: Sequence[str], folder: Path, cores: Sequence[int] = ()) -> Run:
    """Run a command in a folder to its end.

    Args:
        command: program and arguments.
        folder: to run in.
        cores: to pin it to; none leaves it as this process is.

    Raises:
        FailedRunError: it ended with another exit code than 0.
    """
    with tempfile.TemporaryFile() as stderr:
        start = time.monotonic()
        pinned = ("taskset", "--cpu-list", ",".join(map(str, cores)), *command)
        process = subprocess.Popen(
            pinned if cores else command, cwd=folder, stdout=subprocess.DEVNULL, stderr=stderr
        )
        largest = family = 0
        ended = threading.Event()

        def watch() -> None:
            nonlocal largest, family
            while not ended.wait(_LOOK_SECONDS):
                held = _held(process.pid)
                largest, family = max(largest, *held), max(family, sum(held))

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = code = os.waitstatus_to_exitcode(status)
        ended.set()
        watcher.join()
        if code:
            stderr.seek(0)
            end = stderr.read().decode(errors="replace")[-_ERRORS_SHOWN:]
            raise FailedRunError(f"{' '.join(command)}: exit code {code}\n{end}")
    cpu, switches = used.ru_utime + used.ru_stime, used.ru_nvcsw + used.ru_nivcsw
    return Run(seconds, largest / 1e6, family / 1e6, cpu, switches)


def _held(pid: int) -> list[int]:
    """Bytes resident in each process of a family; a page that two share counts twice."""
    held = [0]
    try:
        root = psutil.Process(pid)
        for member in [root, *root.children(recursive=True)]:
            held.append(member.memory_info().rss)
    except psutil.NoSuchProcess:
        pass
    return held
