"""Run an unknown flatbuffer once in a process of its own: LiteRT's C++ code has no checks.

A damaged or hostile file crashes it, hangs it, or makes it take all memory. What ends well is
remembered in the cache by its digest, so only the first use of a module takes the time.
"""

import hashlib
import resource
import signal
import subprocess
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from imagebeam import child_process
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.litert.flatbuffer import read_flatbuffer, read_interface

_SECONDS = 120.0
_BYTES = 4_000_000_000
_BYTES_PER_BYTE = 10
_TRIAL = "imagebeam.modules.litert.trial:main"


def try_flatbuffer(
    path: Path, cache: Cache, seconds: float = _SECONDS, target: str = _TRIAL
) -> None:
    """Refuse a flatbuffer that crashes, hangs or takes too much memory.

    Args:
        path: of the file.
        cache: remembers the files that were tried.
        seconds: for the whole trial.
        target: function that the process calls with the path and a number of bytes of memory.

    Raises:
        ModuleError: the process did not end by itself.
    """
    content = read_flatbuffer(path)
    key = f"{hashlib.sha256(content).hexdigest()}-{version('ai-edge-litert')}"
    if cache.has("tried", key):
        return
    memory = _BYTES + _BYTES_PER_BYTE * len(content)
    try:
        done = subprocess.run(
            child_process.ended_with_parent(child_process.command(target, path, memory)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=seconds,
            env=child_process.environment(),
        )
    except subprocess.TimeoutExpired:
        raise _refusal(path, f"LiteRT did not finish within {seconds:g} s") from None
    if done.returncode < 0:
        raise _refusal(path, f"LiteRT ended with signal {signal.strsignal(-done.returncode)}")
    # A cache that cannot be written costs the time of another trial.
    with suppress(ModuleError):
        cache.entry("tried", key, lambda folder: None)


def _refusal(path: Path, reason: str) -> ModuleError:
    return ModuleError(
        f"{str(path)!r}: {reason} when it was tried in a process of its own, so the file is "
        "damaged or hostile. Fetch it again, or give another module."
    )


def main(path: str, memory: str) -> None:
    """Read the interface of a flatbuffer, which runs it once.

    Args:
        path: of the file.
        memory: bytes of address space that this process may take.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    # The process that waits reads the file too, and says what is wrong with it.
    with suppress(ModuleError):
        read_interface(read_flatbuffer(Path(path)), repr(path))
