"""Load a module on a worker."""

import uuid
from collections.abc import Iterable

from imagebeam.modules.engines import Engine, MemoryBoundedEngine, load_content, load_engine
from imagebeam.modules.staging import read_staged, unpacked
from imagebeam.modules.types import TENSORFLOW, StagedModule
from imagebeam.scoring.module_task import ModuleTask, task_heads

METRICS_NAMESPACE = "imagebeam"


class ModuleLoader:
    """A module, in the form in which a pipeline sends it to workers.

    Args:
        module: an opened one.
        embed_model: send its file with the pipeline. Otherwise, and for a module that only
            TensorFlow can run, workers must be able to read its path.
    """

    def __init__(self, module: StagedModule, embed_model: bool = False) -> None:
        self.module = module
        embedded = embed_model and module.engine != TENSORFLOW
        self._content = read_staged(module) if embedded else None
        # Copies of this object in one worker process need the same key.
        self._key = uuid.uuid4().hex

    def task(self, heads: Iterable[str] | None) -> ModuleTask:
        """Return the task that runs the module in decoding processes.

        Args:
            heads: the heads to return; None for all.

        Raises:
            ModuleError: the file of the module was changed since it was staged.
        """
        module = self.module
        return ModuleTask(
            key=self._key,
            engine=module.engine,
            content=self._content or read_staged(module),
            source=repr(str(module.path)),
            info=module.info,
            heads=task_heads(module.info, heads),
        )

    def load(self, threads: int | None = None) -> Engine:
        """Load the engine.

        Args:
            threads: the number of threads that TensorFlow uses within a batch; None leaves it to
                TensorFlow.
        """
        module = self.module
        if self._content is None:
            with unpacked(module) as path:
                engine = load_engine(module.engine, path, module.info, threads)
        else:
            source = repr(str(module.path))
            engine = load_content(module.engine, self._content, source, module.info)
        return MemoryBoundedEngine(engine)
