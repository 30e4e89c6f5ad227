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
    """Runs the module on each shard's pictures: Beam's RunInference, one shard a batch.

    Beam loads the module once a process, shares it between threads, and reports load time and
    latency. A picture that the module cannot answer for becomes a failure of its shard, alone.
    Shuffles nothing.

    Attributes:
        module: to run.
        carry: send its flatbuffer with the pipeline; otherwise its path must be one that the
            workers can read.
        cores: that a worker process has; None for all of its machine.
    """

    module: StagedModule
    carry: bool = False
    cores: int | None = None

    def expand(self, shards: Any) -> Any:
        """PCollection of DecodedShard → PCollection of ScoredShard."""
        handler = ShardModelHandler(self.module, self.carry, self.cores)
        return shards | RunInference(handler).with_output_types(ScoredShard)


class ShardModelHandler(EngineHandler[DecodedShard, ScoredShard]):
    """How RunInference runs our engines on shards.

    Args:
        module: as for `RunModule`.
        carry: likewise.
        cores: likewise.
    """

    def __init__(self, module: StagedModule, carry: bool = False, cores: int | None = None) -> None:
        super().__init__(module, carry)
        self._cores = cores

    def load_model(self) -> Engine:
        """Load the engine; Beam calls this once a process."""
        # Each core has pictures of its own, and for TensorFlow to share out one batch would only
        # cost, as long as a shard has pictures for all of them.
        threads = max(1, (self._cores or os.cpu_count() or 1) // _THREADS_A_SHARD)
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(threads))
        return super().load_model()

    def run_inference(
        self,
        batch: Sequence[DecodedShard],
        model: Engine,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterator[ScoredShard]:
        """Score each shard of the batch."""
        return iter([score_shard(shard, model, self._cores) for shard in batch])

    def batch_elements_kwargs(self) -> dict[str, int]:
        """Keep shards apart."""
        # A shard is a batch already, and its pixels are all that a worker should hold.
        return {"min_batch_size": 1, "max_batch_size": 1}

    def get_num_bytes(self, batch: Sequence[DecodedShard]) -> int:
        """Bytes of pixels in the batch."""
        return sum(shard.pixels.nbytes for shard in batch)


_FEWEST = 8
"""Pictures that are worth a thread of their own."""

_THREADS_A_SHARD = 8
"""About as many find pictures in a shard where these are large: 59 of 299×299 fill it."""

_cores = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="run-module")
"""Shared by all shards of a process; engines leave Python's lock to others while they compute."""


def score_shard(shard: DecodedShard, engine: Engine, cores: int | None = None) -> ScoredShard:
    """The module's answers for the shard, and a failure for each picture without one."""
    answered, errors, costs = answer(engine, shard.pixels, cores)
    answered_rows = np.array([row for row in range(len(shard.uris)) if row not in errors], np.intp)
    failures = [
        Failure.of(shard.uris[row], error, shard.extra_columns[row])
        for row, error in errors.items()
    ]
    return ScoredShard(
        id=shard.id,
        uris=[shard.uris[row] for row in answered_rows],
        extra_columns=[shard.extra_columns[row] for row in answered_rows],
        widths=shard.widths[answered_rows],
        heights=shard.heights[answered_rows],
        answers=answered,
        failures=(*shard.failures, *failures),
        costs={**shard.costs, **costs},
    )


def answer(
    engine: Engine, pixels: npt.NDArray[np.uint8], cores: int | None = None
) -> tuple[ModelOutputs, dict[int, ImageError], StageTimes]:
    """Answers for the pictures that have one, the error of each row that has none, and the costs.

    Every core takes a part; None stands for all that the machine has. A batch that fails is halved
    until the pictures at fault stand alone; the others keep their answers. Costs are added up over
    the threads that worked.
    """
    count = max(1, min(cores or os.cpu_count() or 1, len(pixels) // _FEWEST))
    bounds = [len(pixels) * part // count for part in range(count + 1)]
    parts = list(_cores.map(partial(_answer_part, engine, pixels), bounds[:-1], bounds[1:]))
    pieces = [piece for part, _, _ in parts for piece in part]
    errors = {row: error for _, found, _ in parts for row, error in found.items()}
    return ModelOutputs.concatenate(pieces), errors, total(costs for _, _, costs in parts)


def _answer_part(
    engine: Engine, pixels: npt.NDArray[np.uint8], start: int, stop: int
) -> tuple[list[ModelOutputs], dict[int, ImageError], StageTimes]:
    meter = Meter()
    errors: dict[int, ImageError] = {}
    pieces: list[ModelOutputs] = []
    with meter.stage("infer"):
        # A list of spans and no recursive inner function: that would be a cycle of references,
        # which keeps a shard's pixels until the collector comes by.
        spans = [(start, stop)] if start < stop else []
        while spans:
            start, stop = spans.pop()
            try:
                found = engine.run(pixels[start:stop])
            # Engines raise what their library does: ValueError, RuntimeError, tf.errors.OpError.
            except Exception as error:
                if stop - start == 1:
                    errors[start] = InferenceFailed(f"{type(error).__name__}: {error}")
                else:
                    middle = (start + stop) // 2
                    spans += [(middle, stop), (start, middle)]
                continue
            finite = found.finite_rows(stop - start)
            for row in np.flatnonzero(~finite):
                errors[start + int(row)] = NotFinite("NaN or infinity among the answers")
            pieces.append(found if finite.all() else found.select(finite))
    return pieces, errors, meter.costs
