"""Run a flatbuffer with LiteRT, without TensorFlow."""

import math
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.modules.litert.flatbuffer import Interface, read_interface
from imagebeam.modules.litert.interpreters import open_interpreter, run_once
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.types import Pixels

# Images per second with batches of 1, 4, 8 and 32 (one thread, XNNPACK): 1,239, 1,251, 1,270 and
# 1,268 for the quantops module 0.5/160; 4,439, 4,612, 4,643 and 4,637 for 0.25/128. Larger batches
# only cost memory.
_BATCH = 4


class LiteRTEngine:
    """An engine over one flatbuffer.

    An interpreter serves one thread at a time, so the engine keeps one single-threaded interpreter
    for every concurrent call of `run`. All of them share the bytes of the flatbuffer.
    """

    def __init__(self, content: bytes, source: str, options: ModuleOptions = NO_OPTIONS) -> None:
        self._source = source
        self._interface = read_interface(content, source, options)
        self.info = self._interface.info
        self._idle: deque[_Runner] = deque()

    def run(self, pixels: Pixels) -> ModelOutputs:
        """Run the module on uint8 (N, height, width, 3) RGB pictures of its size; N may be 0."""
        try:
            runner = self._idle.pop()
        except IndexError:
            runner = _Runner(self._interface, self._source)
        values = runner.run(pixels)
        self._idle.append(runner)
        outputs = self._interface.outputs
        return ModelOutputs.from_heads(
            {head: tensor.dequantise(values[head]) for head, tensor in outputs.items()},
            self.info.percent,
        )


class _Runner:
    """One interpreter and its input buffer."""

    def __init__(self, interface: Interface, source: str) -> None:
        self._interface = interface
        self._interpreter = open_interpreter(interface.content, source)
        count = interface.batch or _BATCH
        self._buffer = interface.input.pictures(count, interface.info.image_size)
        self._values = interface.input.as_input(self._buffer)
        run_once(self._interpreter, interface.input.index, self._values, source)

    def run(self, pixels: Pixels) -> dict[str, npt.NDArray[Any]]:
        """Return the raw output rows of each head."""
        batch = len(self._buffer)
        results = {
            head: np.empty((len(pixels), math.prod(tensor.shape[1:])), tensor.dtype)
            for head, tensor in self._interface.outputs.items()
        }
        for start in range(0, len(pixels), batch):
            part = pixels[start : start + batch]
            # Behind a shorter last part, older pictures stay in the buffer and their rows are not
            # read: to allocate for another batch size would cost more than to compute them.
            self._interface.write_pixels(part, self._buffer[: len(part)])
            self._interpreter.set_tensor(self._interface.input.index, self._values)
            self._interpreter.invoke()
            for head, tensor in self._interface.outputs.items():
                rows = self._interpreter.get_tensor(tensor.index).reshape(batch, -1)
                results[head][start : start + batch] = rows[: len(part)]
        return results
