"""Run a module on pixels, in blocks that threads take from one queue."""

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from math import ceil
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imagebeam.images.errors import ImageError
from imagebeam.images.stage_times import Meter, StageTimes, total
from imagebeam.modules.engines import Engine
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.scoring.score import score

BLOCK = 16
"""Pictures that a thread takes from the queue at once; also the batch size of TensorFlow."""

_MIN_BLOCK = 8
"""Fewer pictures cost more to hand to a thread than they save."""

_THREADS_PER_SHARD = 8
"""A shard of large pictures occupies about as many threads: 59 pictures of 299×299 fill it."""


class Inference:
    """The blocks of one shard, which threads are working on."""

    def __init__(self, blocks: list[Future["_Block"]]) -> None:
        self._blocks = blocks

    def result(self) -> tuple[ModelOutputs, dict[int, ImageError], StageTimes]:
        """Wait for the model outputs, the error of each row without any, and the stage times.

        Stage times are added up over the threads.
        """
        blocks = [block.result() for block in self._blocks]
        pieces = [piece for block in blocks for piece in block.pieces]
        errors = {row: error for block in blocks for row, error in block.errors.items()}
        times = total(block.times for block in blocks)
        return ModelOutputs.concatenate(pieces), errors, times


class ParallelEngine:
    """A loaded module and the threads that run it; all shards of a process share one.

    Engines release Python's lock while they compute.

    Attributes:
        threads: how many run the module.
    """

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="run-module")

    def start(self, pixels: npt.NDArray[np.uint8]) -> Inference:
        """Queue the pictures in blocks behind those of earlier shards.

        A block that fails is halved until the pictures that cause the failure stand alone; the
        others keep their outputs.
        """
        size = min(BLOCK, max(_MIN_BLOCK, ceil(len(pixels) / self.threads)))
        count = max(1, ceil(len(pixels) / size))
        bounds = [len(pixels) * block // count for block in range(count + 1)]
        return Inference(
            [
                self._pool.submit(_infer_block, self._engine, pixels, start, stop)
                for start, stop in pairwise(bounds)
            ]
        )

    def infer(
        self, pixels: npt.NDArray[np.uint8]
    ) -> tuple[ModelOutputs, dict[int, ImageError], StageTimes]:
        """Run the module on pictures; see `Inference.result`."""
        return self.start(pixels).result()


def tensorflow_threads(cores: int) -> int:
    """Return the threads that TensorFlow should use within one batch.

    The threads of `ParallelEngine` already occupy the cores as long as a shard has pictures for
    all of them; more threads would only compete for the same cores.
    """
    return max(1, cores // _THREADS_PER_SHARD)


class _Block(NamedTuple):
    pieces: list[ModelOutputs]
    errors: dict[int, ImageError]
    times: StageTimes


def _infer_block(engine: Engine, pixels: npt.NDArray[np.uint8], start: int, stop: int) -> _Block:
    meter = Meter()
    with meter.stage("infer"):
        pieces, errors = score(engine, pixels[start:stop])
    return _Block(pieces, {start + row: error for row, error in errors.items()}, meter.costs)
