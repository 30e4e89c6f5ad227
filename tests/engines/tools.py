"""Find the engines that `.ci/tools` installs."""

import os
import random
import shutil
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
    """Return an unused port of this machine.

    It is below those that Linux gives to connections and to servers that ask for any port, so that
    none of them takes it before its server listens.
    """
    ports = random.SystemRandom()
    while not is_free(port := ports.randrange(10_000, 32_768)):
        pass
    return port


def is_free(port: int) -> bool:
    """Return whether a server could listen on a port of this machine."""
    with socket.socket() as listener, suppress(OSError):
        listener.bind(("127.0.0.1", port))
        return True
    return False


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Run a server that gives the same answer whatever it is asked; yield its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            # A client may have gone, such as one that only looks if the port is open.
            with suppress(OSError):
                self.request.recv(1 << 16)
                self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


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


def processes_below(process: psutil.Process, command: str) -> list[psutil.Process]:
    """Return those among the processes below one whose command line holds a text."""
    found = []
    # Processes end at any moment.
    with suppress(psutil.NoSuchProcess):
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if command in " ".join(child.cmdline()):
                    found.append(child)
    return found


def workers_below(process: psutil.Process) -> list[psutil.Process]:
    """Return Beam's Python workers among the processes below one."""
    return processes_below(process, "apache_beam.runners.worker.sdk_worker_main")
