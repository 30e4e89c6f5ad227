"""DecodedShard → ScoredShard."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from apache_beam.ml.inference.base import RunInference

from imagebeam.images.errors import ImageError, InferenceFailed, NotFinite
from imagebeam.images.stage_times import Meter, StageTimes, total
from imagebeam.modules import Engine, ModelOutputs, StagedModule
from imagebeam.transforms.elements import DecodedShard, Failure, ScoredShard
from imagebeam.transforms.module_handler import EngineHandler


@dataclass
class RunModule(beam.PTransform):
    """Runs the module on the pictures of each shard with Beam's RunInference, one shard per batch.

    Beam loads the module once per process, shares it between threads, and reports load time and
    latency. A picture on which the module fails becomes a failure of its shard; the others keep
    their answers. Shuffles nothing.

    Attributes:
        module: to run.
        embed_model: send the flatbuffer with the pipeline; otherwise workers must be able to read
            its path.
        cores: of a worker process; None for all cores of its machine.
    """

    module: StagedModule
    embed_model: bool = False
    cores: int | None = None

    def expand(self, shards: beam.PCollection[DecodedShard]) -> beam.PCollection[ScoredShard]:
        """Score all shards."""
        handler = ShardModelHandler(self.module, self.embed_model, self.cores)
        return shards | RunInference(handler).with_output_types(ScoredShard)


class ParallelEngine:
    """A loaded module and the threads that run it; the shards of a process share one.

    Engines release Python's lock while they compute.

    Args:
        engine: of the module.
        threads: how many.
    """

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="run-module")

    def infer(
        self, pixels: npt.NDArray[np.uint8]
    ) -> tuple[ModelOutputs, dict[int, ImageError], StageTimes]:
        """Return the model outputs, the error of each row that has none, and the stage times.

        Each thread takes a part of the pictures. A batch that fails is halved until the pictures
        that cause the failure stand alone; the others keep their outputs. Stage times are added up
        over the threads.
        """
        count = max(1, min(self._threads, len(pixels) // _MIN_PICTURES_PER_THREAD))
        bounds = [len(pixels) * part // count for part in range(count + 1)]
        run = partial(_infer_part, self._engine, pixels)
        parts = list(self._pool.map(run, bounds[:-1], bounds[1:]))
        pieces = [piece for part, _, _ in parts for piece in part]
        errors = {row: error for _, part_errors, _ in parts for row, error in part_errors.items()}
        return ModelOutputs.concatenate(pieces), errors, total(times for _, _, times in parts)


class ShardModelHandler(EngineHandler[DecodedShard, ScoredShard, ParallelEngine]):
    """Loads a module for RunInference and runs it on shards.

    Args:
        module: as for `RunModule`.
        embed_model: likewise.
        cores: likewise.
    """

    def __init__(
        self, module: StagedModule, embed_model: bool = False, cores: int | None = None
    ) -> None:
        super().__init__(module, embed_model)
        self._cores = cores

    def load_model(self) -> ParallelEngine:
        """Load the engine; Beam calls this once per process."""
        cores = self._cores or os.cpu_count() or 1
        return ParallelEngine(self.load_engine(tensorflow_threads(cores)), cores)

    def run_inference(
        self,
        batch: Sequence[DecodedShard],
        model: ParallelEngine,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterator[ScoredShard]:
        """Score each shard of the batch."""
        return iter([score_shard(shard, model) for shard in batch])

    def batch_elements_kwargs(self) -> dict[str, int]:
        """Keep shards apart."""
        # A shard is a batch already, and a worker should hold the pixels of no more than one.
        return {"min_batch_size": 1, "max_batch_size": 1}

    def get_num_bytes(self, batch: Sequence[DecodedShard]) -> int:
        """Return the bytes of pixels in the batch."""
        return sum(shard.pixels.nbytes for shard in batch)


_MIN_PICTURES_PER_THREAD = 8
"""Fewer cost more to hand to another thread than they save."""

_THREADS_PER_SHARD = 8
"""A shard of large pictures occupies about as many threads: 59 pictures of 299×299 fill it."""


def tensorflow_threads(cores: int) -> int:
    """Return the threads that TensorFlow should use within one batch.

    The threads of `ParallelEngine` already occupy the cores as long as a shard has pictures for
    all of them; more threads would only compete for the same cores.
    """
    return max(1, cores // _THREADS_PER_SHARD)


def score_shard(shard: DecodedShard, engine: ParallelEngine) -> ScoredShard:
    """Return the model outputs of a shard, and a failure for each picture without any."""
    outputs, errors, times = engine.infer(shard.pixels)
    rows = np.array([row for row in range(len(shard.uris)) if row not in errors], np.intp)
    failures = [
        Failure.of(shard.uris[row], error, shard.extra_columns[row])
        for row, error in errors.items()
    ]
    return ScoredShard(
        id=shard.id,
        uris=[shard.uris[row] for row in rows],
        extra_columns=[shard.extra_columns[row] for row in rows],
        widths=shard.widths[rows],
        heights=shard.heights[rows],
        outputs=outputs,
        failures=(*shard.failures, *failures),
        costs={**shard.costs, **times},
    )


def _infer_part(
    engine: Engine, pixels: npt.NDArray[np.uint8], start: int, stop: int
) -> tuple[list[ModelOutputs], dict[int, ImageError], StageTimes]:
    meter = Meter()
    errors: dict[int, ImageError] = {}
    pieces: list[ModelOutputs] = []
    with meter.stage("infer"):
        # A recursive inner function would make a cycle of references, which keeps the pixels of
        # the shard alive until the garbage collector runs.
        spans = [(start, stop)] if start < stop else []
        while spans:
            start, stop = spans.pop()
            try:
                outputs = engine.run(pixels[start:stop])
            # Engines raise the errors of their library: ValueError, RuntimeError, OpError.
            except Exception as error:
                if stop - start == 1:
                    errors[start] = InferenceFailed(f"{type(error).__name__}: {error}")
                else:
                    middle = (start + stop) // 2
                    spans += [(middle, stop), (start, middle)]
                continue
            finite = outputs.finite_rows(stop - start)
            for row in np.flatnonzero(~finite):
                errors[start + int(row)] = NotFinite("NaN or infinity among the answers")
            pieces.append(outputs if finite.all() else outputs.select(finite))
    return pieces, errors, meter.costs
