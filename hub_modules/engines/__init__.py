"""Engines: what runs a module on a worker.

`load_engine` takes picklable values, so that a job can send them to its workers; LiteRT needs no
TensorFlow there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from hub_modules.flatbuffer import read_flatbuffer
from hub_modules.records import LITERT, TENSORFLOW, Answers, Pixels


class Engine(Protocol):
    """A loaded module. One engine serves all threads of a process."""

    def run(self, pixels: Pixels) -> Answers:
        """Run the module on uint8 (N, height, width, 3) RGB pictures of its size; N may be 0."""
        ...


def load_engine(engine: str, path: str | Path) -> Engine:
    """Load a module that `open_module` has prepared.

    Args:
        engine: `Module.engine`.
        path: `Module.path`, or a copy of what is there.

    Raises:
        ModuleError: what is at `path` is damaged, or TensorFlow is needed but not installed.
    """
    if engine == LITERT:
        from hub_modules.engines.litert import LiteRTEngine

        return LiteRTEngine(read_flatbuffer(Path(path)), repr(str(path)))
    if engine == TENSORFLOW:
        from hub_modules.engines.tensorflow import TensorFlowEngine

        return TensorFlowEngine(Path(path))
    raise ValueError(f"unknown engine {engine!r}")
