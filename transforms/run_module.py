"""HeldShard or DecodedShard → ScoredShard."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared
from apache_beam.utils.windowed_value import WindowedValue

from imagebeam import resources
from imagebeam.modules.open_module import open_module
from imagebeam.modules.types import TENSORFLOW, StagedModule
from imagebeam.scoring.module_task import ModuleTask
from imagebeam.transforms.elements import DecodedShard, Failure, HeldShard, ReadShard, ScoredShard
from imagebeam.transforms.lookahead import Lookahead
from imagebeam.transforms.module_loader import METRICS_NAMESPACE, ModuleLoader
from imagebeam.transforms.parallel_engine import (
    BLOCK,
    Inference,
    ParallelEngine,
    tensorflow_threads,
)

_SHARDS_AHEAD = 2
"""Shards in progress while an earlier one is completed and written, so that no core waits for the
slowest part of a shard."""


@dataclass
class RunModule(beam.PTransform):
    """Runs the module on the pictures of all shards.

    The process that decoded the pictures of a `HeldShard` loads the module once and runs it on
    them, in batches, so that only answers leave it. Pictures that come as pixels, and modules that
    need TensorFlow, are scored in this process, in blocks that threads take from one queue.

    The next shards are in progress while one is completed, so shards do not wait for each other.
    A picture on which the module fails becomes a failure of its shard; the others keep their
    outputs. Shuffles nothing.

    Attributes:
        module: the module to run.
        embed_model: send its file with the pipeline; otherwise workers must be able to read
            its path.
        cores: the number of cores of a worker process; None for all that it may use.
        updates: `ModelMetadata` of Beam's RunInference, whose `model_id` is the handle of the
            module to run from then on; None for always the same module.
        open_update: opens the module with such a handle.
        heads: outputs that are needed, among logits, scores and features; None for all.
    """

    module: StagedModule
    embed_model: bool = False
    cores: int | None = None
    updates: beam.PCollection[Any] | None = None
    open_update: Callable[[str], StagedModule] = open_module
    heads: tuple[str, ...] | None = None

    def expand(
        self, shards: beam.PCollection[DecodedShard | HeldShard]
    ) -> beam.PCollection[ScoredShard]:
        """Score all shards."""
        if self.updates is not None:
            from imagebeam.transforms.run_updated_module import RunUpdatedFn

            update = beam.pvalue.AsSingleton(self.updates)
            updated = beam.ParDo(RunUpdatedFn(self.module, self.cores, self.open_update), update)
            return shards | updated.with_output_types(ScoredShard)
        run = RunFn(ModuleLoader(self.module, self.embed_model), self.cores, self.heads)
        return shards | beam.ParDo(run).with_output_types(ScoredShard)


class _Pending(NamedTuple):
    result: Callable[[], ScoredShard]
    start: float
    timestamp: Any
    window: Any


class RunFn(beam.DoFn):
    """Starts the inference for each shard, and completes shards that enough others follow."""

    def __init__(
        self, loader: ModuleLoader, cores: int | None, heads: tuple[str, ...] | None = None
    ) -> None:
        self._loader = loader
        self._cores = cores
        self._heads = heads
        self._shared = Shared()
        self._load_milliseconds: int | None = None
        self._inferences = Metrics.counter(METRICS_NAMESPACE, "num_inferences")
        self._latency = Metrics.distribution(
            METRICS_NAMESPACE, "inference_batch_latency_micro_secs"
        )
        self._load_latency = Metrics.distribution(
            METRICS_NAMESPACE, "load_model_latency_milli_secs"
        )

    def setup(self) -> None:
        """Load the module, once per worker process."""
        self._module: WorkerModule = self._shared.acquire(self._load)

    def _load(self) -> "WorkerModule":
        start = time.monotonic()
        module = WorkerModule(self._loader, self._cores or resources.cores(), self._heads)
        self._load_milliseconds = round(1000 * (time.monotonic() - start))
        return module

    def start_bundle(self) -> None:
        """Start with no shard in progress, and record the time of loading."""
        self._pending = Lookahead[_Pending](_SHARDS_AHEAD)
        # Beam records metrics only during a bundle.
        if self._load_milliseconds is not None:
            self._load_latency.update(self._load_milliseconds)
            self._load_milliseconds = None

    def process(
        self,
        shard: HeldShard | DecodedShard,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[Any]:
        """Start a shard; yield those that enough others follow."""
        start = time.monotonic()
        result, images, ahead = self._module.start(shard)
        self._pending.add(images, _Pending(result, start, timestamp, window))
        yield from map(self._complete, self._pending.ready(ahead))

    def finish_bundle(self) -> Iterator[Any]:
        """Yield the shards in progress."""
        yield from map(self._complete, self._pending.drain())

    def _complete(self, pending: _Pending) -> WindowedValue:
        scored = pending.result()
        self._inferences.inc(len(scored.uris))
        self._latency.update(round(1e6 * (time.monotonic() - pending.start)))
        return WindowedValue(scored, pending.timestamp, (pending.window,))


class WorkerModule:
    """The module in one worker process: for decoding processes, and for pixels that come here."""

    def __init__(
        self, loader: ModuleLoader, cores: int, heads: tuple[str, ...] | None = None
    ) -> None:
        """Read the file, so that a damaged one is found now; or load TensorFlow."""
        self._loader = loader
        self._cores = cores
        self._lock = threading.Lock()
        self._engine: ParallelEngine | None = None
        self._task: ModuleTask | None = None
        if loader.module.engine != TENSORFLOW:
            self._task = loader.task(heads)
        else:
            self._parallel_engine()

    def start(self, shard: HeldShard | DecodedShard) -> tuple[Callable[[], ScoredShard], int, int]:
        """Start the inference for a shard.

        Returns:
            What waits for its result, the number of its images, and the number of images that
            should be in progress behind it.
        """
        if isinstance(shard, HeldShard):
            images = len(shard.shard.images)
            if self._task is not None:
                answers = shard.pictures.answers(self._task)
                result = partial(_answered_shard, answers, self._task)
                return result, images, shard.pictures.images_ahead
            shard = shard.pictures.decoded()
        engine = self._parallel_engine()
        # Failures count too: a shard without pictures must not wait for others.
        images = len(shard.uris) + len(shard.failures)
        result = partial(complete_shard, shard, engine.start(shard.pixels))
        return result, images, engine.threads * BLOCK

    def _parallel_engine(self) -> "ParallelEngine":
        with self._lock:
            if self._engine is None:
                engine = self._loader.load(tensorflow_threads(self._cores))
                self._engine = ParallelEngine(engine, self._cores)
            return self._engine


def complete_shard(shard: DecodedShard, inference: Inference) -> ScoredShard:
    """Wait for the model outputs of a shard; each picture without any becomes a failure."""
    outputs, errors, times = inference.result()
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


def _answered_shard(
    answers: Future[tuple[ReadShard, npt.NDArray[np.float32]]], task: ModuleTask
) -> ScoredShard:
    """Wait for the answers of the decoding processes."""
    shard, values = answers.result()
    return ScoredShard(**vars(shard), outputs=task.outputs(values))
