"""Engines: what runs a module on a worker.

`load_engine` takes picklable values, so that a job can send them to its workers; LiteRT needs no
TensorFlow there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.litert.flatbuffer import read_flatbuffer
from imagebeam.modules.types import LITERT, TENSORFLOW, ModelOutputs, ModuleInfo, Pixels


class Engine(Protocol):
    """A loaded module. One engine serves all threads of a process."""

    def run(self, pixels: Pixels) -> ModelOutputs:
        """Run the module on uint8 (N, height, width, 3) RGB pictures of its size; N may be 0."""
        ...


def load_engine(engine: str, path: str | Path, info: ModuleInfo) -> Engine:
    """Load a module that `open_module` has prepared.

    Args:
        engine: `Module.engine`.
        path: `Module.path`, or a copy of what is there.
        info: `Module.info`.

    Raises:
        ModuleError: what is at `path` is damaged or has another interface than `info`, or
            TensorFlow is needed but not installed.
    """
    loaded = _load(engine, Path(path))
    for name in _FIXED:
        expected, found = getattr(info, name), getattr(loaded.info, name)
        if found != expected:
            raise ModuleError(
                f"{str(path)!r}: its {name} is {found} and was {expected} when the job started. "
                "Start the job again."
            )
    return loaded


class _Loaded(Engine, Protocol):
    """An engine that says what it has loaded."""

    info: ModuleInfo


def _load(engine: str, path: Path) -> _Loaded:
    if engine == LITERT:
        from imagebeam.modules.engines.litert import LiteRTEngine

        return LiteRTEngine(read_flatbuffer(path), repr(str(path)))
    if engine == TENSORFLOW:
        from imagebeam.modules.engines.tensorflow import TensorFlowEngine

        return TensorFlowEngine(path)
    raise ValueError(f"unknown engine {engine!r}")


_FIXED = ("image_size", "value_range", "heads", "class_count", "feature_length")
