"""DecodedShard → ScoredShard, with a module that changes while the pipeline runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared

from imagebeam import resources
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.open_module import open_module
from imagebeam.modules.types import StagedModule
from imagebeam.transforms.elements import DecodedShard, ScoredShard
from imagebeam.transforms.module_loader import METRICS_NAMESPACE, ModuleLoader
from imagebeam.transforms.parallel_engine import ParallelEngine, tensorflow_threads
from imagebeam.transforms.run_module import complete_shard


class RunUpdatedFn(beam.DoFn):
    """Runs the module that a side input of `ModelMetadata` names.

    Before the first update, it runs the module with which the pipeline was built. A worker process
    loads a module when the first shard needs it, and then drops the one before it.
    """

    def __init__(
        self,
        module: StagedModule,
        cores: int | None,
        open_update: Callable[[str], StagedModule] = open_module,
    ) -> None:
        self._first = ModuleLoader(module, embed_model=True)
        self._cores = cores
        self._open_update = open_update
        self._shared = Shared()
        self._current: _Loaded | None = None
        self._inferences = Metrics.counter(METRICS_NAMESPACE, "num_inferences")

    def process(self, shard: DecodedShard, update: Any) -> Iterator[ScoredShard]:
        """Score a shard with the present module.

        Args:
            shard: the pictures.
            update: a `ModelMetadata`, whose `model_id` is a handle; or Beam's mark for none so far.

        Raises:
            ModuleError: the handle names no module, or one of another image size.
        """
        handle = getattr(update, "model_id", "")
        if self._current is None or self._current.handle != handle:
            self._current = self._shared.acquire(lambda: self._load(handle), tag=handle)
        loaded = self._current
        scored = complete_shard(shard, loaded.engine.start(shard.pixels))
        self._inferences.inc(len(shard.uris))
        yield replace(scored, module=loaded.module)

    def _load(self, handle: str) -> "_Loaded":
        loader, first = self._first, self._first.module
        if handle:
            loader = ModuleLoader(self._open_update(handle))
            size, expected = loader.module.info.image_size, first.info.image_size
            if size != expected:
                raise ModuleError(
                    f"{handle!r}: it takes pictures of {size}, but the pipeline was built for "
                    f"{expected}. Give a module of that size, or build the pipeline again."
                )
        cores = self._cores or resources.cores()
        engine = ParallelEngine(loader.load(tensorflow_threads(cores)), cores)
        return _Loaded(handle, loader.module, engine)


@dataclass(frozen=True, eq=False)
class _Loaded:
    handle: str
    module: StagedModule
    engine: ParallelEngine
