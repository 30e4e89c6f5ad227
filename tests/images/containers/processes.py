"""The processes that read containers for this one."""

import signal

import psutil


def readers(kind: str) -> list[psutil.Process]:
    """Return the child processes that run a module, by a part of its name."""
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and any(kind in word for word in child.cmdline())
    ]


def kill_readers(kind: str) -> int:
    """Kill those processes; return how many there were."""
    found = readers(kind)
    for process in found:
        process.send_signal(signal.SIGKILL)
    return len(found)
