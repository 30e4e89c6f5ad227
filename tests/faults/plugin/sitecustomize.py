"""Make Pillow's BMP decoder obey the file: put this folder first on Python's path.

Python imports a module of this name when it starts, so decoding processes have it and the process
that tests run in has not. What a file asks for stands behind its pixels: `fault:NAME`.

zlib crashes when it decompresses the text `fault in zlib: crash`, in every process of a job.

Opening a file or listing a folder whose name begins with `unheard-of` raises an exception of a type
that no code expects, in every process of a job; `no-memory` and `too-deep` raise those that Python
raises anywhere.
"""

import ctypes
import os
import signal
import socket
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import Any

from PIL import BmpImagePlugin, Image

_MARK = b"fault:"


def _hang() -> None:
    while True:
        pass


def _crash() -> None:
    ctypes.string_at(0)


def _eat() -> None:
    kept = []
    while True:
        kept.append(bytearray(1 << 24))


def _huge() -> None:
    Image.new("RGB", (30_000, 30_000))


def _leak() -> None:
    _leaked.append(bytearray(40_000_000))


def _exit() -> None:
    os._exit(7)


def _raise() -> None:
    raise RuntimeError("a decoder's own error")


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _dawdle() -> None:
    time.sleep(1.5)


def _close() -> None:
    os.close(_socket())
    time.sleep(3600)


def _send(message: bytes) -> None:
    with socket.socket(fileno=os.dup(_socket())) as end:
        end.sendall(message)


def _stutter() -> None:
    """Begin a result and never finish it."""
    _send(struct.pack("<I", 1000) + b"\0")
    time.sleep(3600)


def _boast() -> None:
    """Announce more pixels than any picture has."""
    _send(struct.pack("<I", 0xFFFFFFFF))
    time.sleep(3600)


def _babble() -> None:
    """Send a pickle that is not an outcome and would run code when it is loaded."""
    message = b"cos\nabort\n(tR."
    _send(struct.pack("<I", len(message)) + message)
    time.sleep(3600)


def _poison() -> None:
    """Let the module fail from now on, on every batch with a picture of certain grey levels."""
    from imagebeam.modules.engines.litert import LiteRTEngine

    run_soundly = LiteRTEngine.run

    def run(self: Any, pixels: Any) -> Any:
        if (pixels == _POISONED).all(axis=(1, 2, 3)).any():
            raise RuntimeError("poisoned")
        if (pixels == _DEADLY).all(axis=(1, 2, 3)).any():
            _crash()
        return run_soundly(self, pixels)

    LiteRTEngine.run = run  # type: ignore[method-assign]


_POISONED, _DEADLY = 9, 11
"""Grey levels of pictures on which a poisoned module raises an error, or ends its process."""


def _socket() -> int:
    return int(sys.argv[2])


def _crash_once(path: Path) -> None:
    if not (seen := path.with_suffix(".seen")).exists():
        seen.touch()
        _crash()


def _wait(path: Path) -> None:
    """Report that the decoder has started, and wait for permission to continue."""
    path.with_suffix(".reached").touch()
    while not path.with_suffix(".go").exists():
        time.sleep(0.005)


_leaked: list[bytearray] = []

_FAULTS = {
    fault.__name__.removeprefix("_"): fault
    for fault in (
        *(_hang, _crash, _exit, _raise, _stop, _dawdle),
        *(_eat, _huge, _leak),
        *(_close, _stutter, _boast, _babble, _poison),
    )
}
_PLACED = {"crash once": _crash_once, "wait": _wait}

_open_soundly = BmpImagePlugin.BmpImageFile._open


def _open(image: Any) -> None:
    data = image.fp.read()
    image.fp.seek(0)
    _, found, fault = data.rpartition(_MARK)
    if found:
        name, _, path = fault.decode().partition("@")
        if name in _PLACED:
            _PLACED[name](Path(path))
        else:
            _FAULTS[name]()
    _open_soundly(image)


BmpImagePlugin.BmpImageFile._open = _open  # type: ignore[method-assign, assignment]


_decompressobj = zlib.decompressobj


class _FaultyDecompressor:
    def __init__(self, wbits: int) -> None:
        self._sound = _decompressobj(wbits)

    def decompress(self, *arguments: Any) -> bytes:
        data = self._sound.decompress(*arguments)
        if b"fault in zlib: crash" in data:
            _crash()
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sound, name)


zlib.decompressobj = _FaultyDecompressor  # type: ignore[assignment]


class UnheardOfError(Exception):
    """An exception of a type that no code expects."""


_OPENING = ("open", "os.listdir", "os.scandir")
_RAISED = {"unheard-of": UnheardOfError, "no-memory": MemoryError, "too-deep": RecursionError}


def _raise_when_opened(event: str, arguments: tuple[object, ...]) -> None:
    if event in _OPENING and isinstance(arguments[0], (str, bytes)):
        name = os.path.basename(os.fsdecode(arguments[0]))
        for start, error in _RAISED.items():
            if name.startswith(start):
                raise error(f"{event} of {name}")


sys.addaudithook(_raise_when_opened)
