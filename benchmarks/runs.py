"""One contender's run, timed and watched from outside."""

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
    """

    seconds: float
    largest_mb: float
    family_mb: float


class FailedRunError(RuntimeError):
    """A contender ended with an error; the message names it."""


def run(command: Sequence[str], folder: Path) -> Run:
    """Run a command in a folder to its end.

    Raises:
        FailedRunError: it ended with another exit code than 0.
    """
    with tempfile.TemporaryFile() as stderr:
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=stderr)
        largest = family = 0

        def watch() -> None:
            nonlocal largest, family
            while process.poll() is None:
                held = _held(process.pid)
                largest, family = max(largest, *held), max(family, sum(held))
                time.sleep(_LOOK_SECONDS)

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        seconds = time.monotonic() - start
        watcher.join()
        if code:
            stderr.seek(0)
            end = stderr.read().decode(errors="replace")[-_ERRORS_SHOWN:]
            raise FailedRunError(f"{' '.join(command)}: exit code {code}\n{end}")
    return Run(seconds, largest / 1e6, family / 1e6)


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
