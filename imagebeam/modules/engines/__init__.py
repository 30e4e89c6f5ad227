"""Engines: they run a module on a worker.

`load_engine` takes values that can be pickled, so a job can send them to its workers. The LiteRT
engine needs no TensorFlow there.
"""

from pathlib import Path
from typing import Protocol

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.types import LITERT, ONNX, TENSORFLOW, ModuleInfo, Pixels


class Engine(Protocol):
    """A loaded module. One engine serves all threads of a process."""

    def run(self, pixels: Pixels) -> ModelOutputs:
        """Run the module on uint8 (N, height, width, 3) RGB pictures of its size; N may be 0."""
        ...


def load_engine(
    engine: str, path: str | Path, info: ModuleInfo, threads: int | None = None
) -> Engine:
    """Load a module that `open_module` has prepared.

    Args:
        engine: `Module.engine`.
        path: `Module.path`, or the path of a copy.
        info: `Module.info`.
        threads: the number of threads that TensorFlow uses within one batch, unless it is running
            already or TF_NUM_INTRAOP_THREADS is set; None leaves it to TensorFlow.

    Raises:
        ModuleError: the files at `path` are damaged or have another interface than `info`, or
            TensorFlow is needed but not installed.
    """
    if engine != TENSORFLOW:
        return load_content(engine, Path(path).read_bytes(), repr(str(path)), info)
    from imagebeam.modules.engines.tensorflow import TensorFlowEngine

    loaded = TensorFlowEngine(Path(path), threads, info.options)
    return _checked(loaded, repr(str(path)), info)


def load_content(engine: str, content: bytes, source: str, info: ModuleInfo) -> Engine:
    """Load the content of a file that `open_module` has prepared.

    Args:
        engine: `Module.engine`, "litert" or "onnx".
        source: names it in errors.
        info: `Module.info`.

    Raises:
        ModuleError: it is damaged or has another interface than `info`.
    """
    if engine == ONNX:
        from imagebeam.modules.engines.onnx import OnnxEngine

        return _checked(OnnxEngine(content, source, info.options), source, info)
    if engine == LITERT:
        from imagebeam.modules.engines.litert import LiteRTEngine

        return _checked(LiteRTEngine(content, source, info.options), source, info)
    raise ValueError(f"unknown engine {engine!r}")


class MemoryBoundedEngine:
    """Halves the batch of another engine when that runs out of memory, and remembers the size.

    One instance serves all threads of a process, so the limit holds for all of them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._largest_batch: int | None = None

    def run(self, pixels: Pixels) -> ModelOutputs:
        """Run the engine on uint8 (N, height, width, 3) pictures, in parts if necessary.

        Raises:
            Exception: any error of the engine; an error for lack of memory only if a single
                picture is too large.
        """
        pieces: list[ModelOutputs] = []
        start = 0
        while start < len(pixels) or not pieces:
            part = pixels[start : start + (self._largest_batch or len(pixels))]
            try:
                pieces.append(self._engine.run(part))
            # TensorFlow has its own error class for this, and is not imported here.
            except Exception as error:
                if not _is_out_of_memory(error) or len(part) <= 1:
                    raise
                half = len(part) // 2
                self._largest_batch = min(self._largest_batch or half, half)
            else:
                start += len(part)
        return ModelOutputs.concatenate(pieces)


class _LoadedEngine(Engine, Protocol):
    """An engine with the interface of the module that it has loaded."""

    info: ModuleInfo


def _checked(loaded: _LoadedEngine, source: str, info: ModuleInfo) -> Engine:
    for name in _FIXED:
        expected, found = getattr(info, name), getattr(loaded.info, name)
        if found != expected:
            raise ModuleError(
                f"{source}: its {name} is {found} and was {expected} when the job started. "
                "Start the job again."
            )
    return loaded


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


_FIXED = (
    *("image_size", "value_range", "channel_ranges", "channels"),
    *("heads", "class_count", "feature_length"),
)
