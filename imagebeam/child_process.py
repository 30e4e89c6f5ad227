"""Start Python child processes that import the same packages as this process."""

import ctypes
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from imagebeam.channel import Channel

_ROOT = Path(__file__).resolve().parents[1]
_PR_SET_PDEATHSIG = 1

ARROW_IN_LITTLE_MEMORY = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Variables for processes with a memory limit: Arrow's own allocator reserves a gigabyte."""

_ENDING = f"""
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, signal.SIGKILL)
# A parent that ended before that sends nothing.
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""

_PROGRAM = """
import sys
# A module in the current folder must not replace one of this package.
sys.path[:] = filter(None, sys.path)
from importlib import import_module
module, _, function = sys.argv[1].partition(":")
getattr(import_module(module), function)(*sys.argv[2:])
"""


def command(target: str, *arguments: object) -> Sequence[str]:
    """Return the command line that calls a function in a new Python process.

    Args:
        target: `package.module:function`; the function takes strings.
        *arguments: of the function.
    """
    return [sys.executable, "-c", _PROGRAM, target, *map(str, arguments)]


def environment() -> dict[str, str]:
    """Return the environment for `command`: it makes the child find what this process found.

    An empty entry of `sys.path` means the current folder, which may hold a user's own
    `transforms.py`. It is left out, unless this package itself was found there.
    """
    found = filter(None, (entry or _found_in_current_folder() for entry in sys.path))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(found)}


def _found_in_current_folder() -> str:
    """Return the current folder if this package is there, else ""."""
    # Another process may have removed it, as scripts do with their temporary folders.
    with suppress(FileNotFoundError):
        return str(_ROOT) if Path.cwd() == _ROOT else ""
    return ""


def end_with_parent() -> None:
    """Make the system kill this process when the thread that started it ends. Linux only.

    A process that hangs would never notice by itself that its parent is gone.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def serving(descriptor: str) -> Iterator[Channel]:
    """Yield the channel to the parent of this process; leave the block when the parent is gone.

    Args:
        descriptor: the descriptor of the socket, as `ServiceProcess` passes it.
    """
    # Ctrl-C reaches the whole process group; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    # Core files of expected crashes would fill the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=int(descriptor)) as end, suppress(EOFError, ConnectionError):
        yield Channel(end)


def limit_memory(count: int | None) -> None:
    """Allow this process so many bytes of address space; None allows all that it may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = hard if count is None else count
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def ending(status: int) -> str:
    """Return how a process with this exit status ended: `exit code 1`, or `signal Killed`."""
    return f"signal {signal.strsignal(-status)}" if status < 0 else f"exit code {status}"


def ended_with_parent(words: Sequence[str]) -> Sequence[str]:
    """Return a command that runs another one, which ends with the thread that starts it.

    Args:
        words: the other command, which need not be a Python program. This process starts it.
    """
    if sys.platform != "linux":
        return words
    return [sys.executable, "-c", _ENDING, str(os.getpid()), *words]
