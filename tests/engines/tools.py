"""Find the engines that `.ci/tools` installs."""

import os
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

TOOLS = Path(os.environ.get("IMAGEBEAM_TOOLS", Path(__file__).parents[2] / ".tools")).absolute()

_PATIENCE = 300.0


def tool(name: str) -> Path:
    """Return a file or folder of the tools; skip the test if it is not installed."""
    if (path := TOOLS / name).exists():
        return path
    if found := shutil.which(Path(name).name):
        return Path(found)
    pytest.skip(f"no {name} in {TOOLS}; run `make tools`")


def free_port() -> int:
    """Return an unused port of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Wait until the condition is true.

    Raises:
        TimeoutError: it never is.
    """
    start = time.monotonic()
    while not ready():
        if time.monotonic() - start > _PATIENCE:
            raise TimeoutError(what)
        time.sleep(0.1)


def listens(port: int) -> bool:
    """Return whether a server listens on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def workers_below(process: psutil.Process) -> list[psutil.Process]:
    """Return Beam's Python workers among the processes below one."""
    found = []
    for child in process.children(recursive=True):
        # Some processes end at once.
        with suppress(psutil.NoSuchProcess):
            if "apache_beam.runners.worker.sdk_worker_main" in child.cmdline():
                found.append(child)
    return found
