"""What `module build` and `module train` share: from a network to a module with its flatbuffer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.tensorflow.subprocess import require_tensorflow, run_task, tensorflow_version
from imagebeam.version import __version__

if TYPE_CHECKING:
    from imagebeam.mobilenet_v1.network import Network


def start_tensorflow(purpose: str) -> None:
    """Import TensorFlow, and keep what it says while starting off the terminal.

    Raises:
        ModuleError: it is not installed.
    """
    require_tensorflow(purpose, "it")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silent_standard_error():
        import tensorflow as tf

        tf.zeros(())  # the first operation starts the devices


@contextmanager
def _silent_standard_error() -> Iterator[None]:
    """Drop what native code writes, which no setting of TensorFlow's keeps back."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def export(
    network: Network,
    output: Path,
    classes: Sequence[str] | None,
    provenance: Mapping[str, Any],
) -> None:
    """Write `network` as a module that runs with and without TensorFlow.

    Raises:
        NetworkError: `output` exists or cannot be written.
        ModuleError: the network cannot be compiled.
    """
    from imagebeam.mobilenet_v1.export import export_module

    made_with = {"imagebeam": __version__, "tensorflow": tensorflow_version()}
    export_module(
        network,
        output,
        classes=classes,
        provenance={**provenance, **made_with},
        compiler=_compile,
    )


def _compile(saved_model: Path, flatbuffer: Path) -> None:
    refusal = run_task("compile", path=str(saved_model), output=str(flatbuffer))["refusal"]
    if refusal is not None:
        raise ModuleError(f"the module cannot be compiled: {refusal}.")
