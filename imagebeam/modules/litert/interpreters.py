"""LiteRT interpreters, opened with errors that users understand and without their greeting."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from imagebeam.modules.errors import ModuleError, reason_of
from imagebeam.stderr_redirection import redirect_descriptor

_GREETING = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
_opening = threading.Lock()
_greeted = False


def open_interpreter(content: bytes, source: str) -> Any:
    """A single-threaded LiteRT interpreter for the flatbuffer `content`, tensors allocated.

    Raises:
        ModuleError: damaged, no flatbuffer, or with operations that LiteRT does not hold; `source`
            names it.
    """
    from ai_edge_litert.interpreter import Interpreter

    with _refusals(source), _without_greeting():
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


def run_once(interpreter: Any, index: int, pictures: npt.NDArray[Any], source: str) -> None:
    """Give `interpreter` the shape of the input tensor `pictures`, and run it on them.

    Raises:
        ModuleError: the network cannot take them.
    """
    with _refusals(source):
        interpreter.resize_tensor_input(index, pictures.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(index, pictures)
        interpreter.invoke()


@contextlib.contextmanager
def _refusals(source: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise ModuleError(
            f"{source}: not a flatbuffer that LiteRT can run ({reason_of(error)}). "
            "Fetch or compile it again."
        ) from error


@contextlib.contextmanager
def _without_greeting() -> Iterator[None]:
    """Keep what LiteRT prints when it first opens a network, straight to file descriptor 2."""
    global _greeted
    if _greeted or not _has_stderr():
        yield
        return
    with _opening, tempfile.TemporaryFile() as said:
        with redirect_descriptor(said.fileno()):
            yield
        said.seek(0)
        os.write(2, said.read().replace(_GREETING, b""))
        _greeted = True


def _has_stderr() -> bool:
    try:
        os.fstat(2)
    except OSError:
        return False
    return True
