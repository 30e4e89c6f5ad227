"""The processes that read containers for this one."""

import signal

import psutil

from tests.engines.tools import processes_below


def readers(kind: str) -> list[psutil.Process]:
    """Return the child processes that run a module, by a part of its name."""
    return processes_below(psutil.Process(), kind)


def kill_readers(kind: str) -> int:
    """Kill those processes; return how many there were."""
    found = readers(kind)
    for process in found:
        process.send_signal(signal.SIGKILL)
    return len(found)
