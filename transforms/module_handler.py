"""How Beam's RunInference loads our engines, and runs them on pictures."""

import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from imagebeam.modules import Engine, ModelOutputs, StagedModule, load_engine, open_module
from imagebeam.modules.engines import MemoryBoundedEngine
from imagebeam.modules.staging import unpacked
from imagebeam.modules.types import LITERT

METRICS_NAMESPACE = "imagebeam"

ExampleT = TypeVar("ExampleT")
PredictionT = TypeVar("PredictionT")


class EngineHandler(ModelHandler[ExampleT, PredictionT, Engine], Generic[ExampleT, PredictionT]):
    """Loads a module once a process.

    Args:
        module: an opened one.
        carry: send its flatbuffer with the pipeline. Otherwise its path, and that of a module
            that only TensorFlow can run, must be one that the workers can read.
        batching: Beam's own arguments, such as `max_batch_size`.
    """

    def __init__(self, module: StagedModule, carry: bool = False, **batching: Any) -> None:
        super().__init__(**batching)
        self._module = module
        carried = carry and module.engine == LITERT
        self._flatbuffer = module.path.read_bytes() if carried else None

    def load_model(self) -> Engine:
        """Load the engine; Beam calls this once a process."""
        module = self._module
        if self._flatbuffer is None:
            with unpacked(module) as path:
                return MemoryBoundedEngine(load_engine(module.engine, path, module.info))
        with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
            file.write(self._flatbuffer)
            file.flush()
            return MemoryBoundedEngine(load_engine(module.engine, file.name, module.info))

    def get_metrics_namespace(self) -> str:
        """Where load time and latency are reported."""
        return METRICS_NAMESPACE


class ModuleHandler(EngineHandler[npt.NDArray[np.uint8], PredictionResult]):
    """Any TF-Hub image module for Beam's `RunInference`, on pictures that are decoded already.

    Examples are uint8 arrays (height, width, 3), RGB, of the module's size. The inference of each
    `PredictionResult` is a dict of float32 vectors: those of `scores`, `logits` and `features`
    that the module has. A flatbuffer travels with the pipeline.

    Examples:
        >>> import apache_beam as beam
        >>> from apache_beam.ml.inference.base import RunInference
        >>> from imagebeam import ModuleHandler
        >>> from PIL import Image
        >>> from imagebeam.samples import ARCHIVE, MODULE
        >>> opened = Image.open(ARCHIVE / "garden" / "IMG_2008.jpg")
        >>> picture = np.asarray(opened.convert("RGB").resize((128, 128)))
        >>> with beam.Pipeline("FnApiRunner") as pipeline:
        ...     found = pipeline | beam.Create([picture]) | RunInference(ModuleHandler(str(MODULE)))
        ...     _ = found | beam.Map(lambda result: print(result.inference["scores"].argmax()))
        0

    Args:
        handle: what `--module` takes.
        engine: what `--engine` takes.
        batching: Beam's own arguments, such as `max_batch_size`.

    Raises:
        ModuleError: the handle names no module that can be run here.
    """

    def __init__(self, handle: str, engine: str = "auto", **batching: Any) -> None:
        super().__init__(open_module(handle, engine), carry=True, **batching)

    def run_inference(
        self,
        batch: Sequence[npt.NDArray[np.uint8]],
        model: Engine,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[PredictionResult]:
        """Run the module on a batch.

        Raises:
            ValueError: a picture of another type or size.
        """
        shape = (*self._module.info.image_size, 3)
        for picture in batch:
            if picture.dtype != np.uint8 or picture.shape != shape:
                raise ValueError(
                    f"a picture of {picture.dtype} {picture.shape}: the module takes uint8 "
                    f"{shape}. Decode and resize it first."
                )
        answers = model.run(np.stack(batch))
        return [
            PredictionResult(picture, _row(answers, row), self._module.handle)
            for row, picture in enumerate(batch)
        ]

    def get_num_bytes(self, batch: Sequence[npt.NDArray[np.uint8]]) -> int:
        """Bytes of pixels in the batch."""
        return sum(picture.nbytes for picture in batch)


def _row(answers: ModelOutputs, row: int) -> dict[str, npt.NDArray[np.float32]]:
    heads = {"scores": answers.scores, "logits": answers.logits, "features": answers.features}
    return {head: values[row] for head, values in heads.items() if values is not None}
