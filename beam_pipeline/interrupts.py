"""End the command on Ctrl-C, whatever it does at that moment."""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

EXIT_CODE = 130
_IMPORT = "<frozen importlib._bootstrap>"
_pressed = False


def handle_interrupts() -> None:
    """Let Ctrl-C raise `KeyboardInterrupt`, and end the process at once during an import.

    Extension modules make other errors of an exception in their imports, or abort. The process also
    ends where Python would print the exception and go on, as in a finalizer. A caller that ignores
    Ctrl-C, as a shell does for what runs in the background, is obeyed.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
        sys.unraisablehook = _end_if_interrupted


def was_interrupted() -> bool:
    """Return whether Ctrl-C was pressed: libraries may have made another error of it."""
    return _pressed


def exit_interrupted() -> NoReturn:
    """End the process without Python's own end.

    Libraries may be half imported, and their threads at work. Python would wait for them, crash, or
    end with SIGINT instead of the code.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(EXIT_CODE)


def _end_if_interrupted(ignored: "sys.UnraisableHookArgs") -> None:
    if issubclass(ignored.exc_type, KeyboardInterrupt):
        exit_interrupted()
    sys.__unraisablehook__(ignored)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    global _pressed
    _pressed = True
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT:
            exit_interrupted()
        frame = frame.f_back
    raise KeyboardInterrupt
