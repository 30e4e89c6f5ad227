"""Open LiteRT interpreters with clear errors and without their greeting."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from imagebeam.modules.errors import ModuleError, reason_of
from imagebeam.modules.litert.graph import Graph
from imagebeam.stderr_redirection import redirect_descriptor

_GREETING = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
_EDGE_TPU = "edgetpu-custom-op"
_FOREIGN = ("Select TensorFlow op", "unresolved custom op")
# File descriptor 2 belongs to the process, so one thread redirects it at a time.
_redirecting = threading.Lock()


def open_interpreter(content: bytes, source: str) -> Any:
    """Open a single-threaded LiteRT interpreter for the flatbuffer `content` and allocate tensors.

    Raises:
        ModuleError: `content` is damaged, not a flatbuffer, or has operations that LiteRT does not
            support; `source` names it.
    """
    from ai_edge_litert.interpreter import Interpreter

    with refusals(source), _without_greeting():
        try:
            interpreter = Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
        except RuntimeError as error:
            if _EDGE_TPU in str(error) or not any(each in str(error) for each in _FOREIGN):
                raise
            # LiteRT names the first of them only.
            raise ModuleError(
                f"{source}: needs operations that are not LiteRT's own: "
                f"{', '.join(Graph(content).custom_names)}. Give the SavedModel that it was made "
                "from, which TensorFlow runs."
            ) from error
    return interpreter


def run_once(interpreter: Any, index: int, pictures: npt.NDArray[Any], source: str) -> None:
    """Resize the input of `interpreter` to `pictures` and run it; raise ModuleError if it fails."""
    with refusals(source):
        interpreter.resize_tensor_input(index, pictures.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(index, pictures)
        interpreter.invoke()


@contextlib.contextmanager
def refusals(source: str) -> Iterator[None]:
    """Turn every error in the content of a flatbuffer into one that users can act on.

    Raises:
        ModuleError: LiteRT or the reading of the graph failed, in whatever way; `source` names it.
    """
    try:
        yield
    except ModuleError:
        raise
    except Exception as error:
        if _EDGE_TPU in str(error):
            raise ModuleError(
                f"{source}: compiled for an Edge TPU, which LiteRT on a CPU cannot run. Give the "
                ".tflite file that it was made from, which has the name without `_edgetpu`."
            ) from error
        raise ModuleError(
            f"{source}: not a flatbuffer that LiteRT can run ({reason_of(error)}). "
            "Fetch or compile it again."
        ) from error


@contextlib.contextmanager
def _without_greeting() -> Iterator[None]:
    """Drop the line that LiteRT writes to file descriptor 2 at the first network of a process."""
    if not _has_stderr():
        yield
        return
    with _redirecting, tempfile.TemporaryFile() as output:
        try:
            with redirect_descriptor(output.fileno()):
                yield
        finally:
            output.seek(0)
            # A full disk behind standard error says nothing about the module.
            with contextlib.suppress(OSError):
                os.write(2, output.read().replace(_GREETING, b""))


def _has_stderr() -> bool:
    try:
        os.fstat(2)
    except OSError:
        return False
    return True
