"""A model handler with which Beam's RunInference loads and runs modules."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from imagebeam.modules import Engine, ModelOutputs, open_module
from imagebeam.modules.input_options import NO_OPTIONS, InputOptions
from imagebeam.transforms.module_loader import METRICS_NAMESPACE, ModuleLoader


class ModuleHandler(ModelHandler[npt.NDArray[np.uint8], PredictionResult, Engine]):
    """Runs any TF-Hub image module on decoded pictures with Beam's `RunInference`.

    Examples are uint8 arrays (height, width, 3), RGB, of the module's image size. The inference of
    each `PredictionResult` is a dict of float32 vectors: `scores`, `logits` and `features`, as far
    as the module has them. A flatbuffer is sent with the pipeline.

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
        handle: a module as `--module` takes it.
        engine: an engine as `--engine` takes it.
        options: facts about the input of the module that it does not state.
        batching: Beam's own arguments, such as `max_batch_size`.

    Raises:
        ModuleError: the handle does not name a module that can run here.
    """

    def __init__(
        self,
        handle: str,
        engine: str = "auto",
        options: InputOptions = NO_OPTIONS,
        **batching: Any,
    ) -> None:
        super().__init__(**batching)
        module = open_module(handle, engine, options=options)
        self._loader = ModuleLoader(module, embed_model=True)

    def load_model(self) -> Engine:
        """Load the engine; Beam calls this once per process."""
        return self._loader.load()

    def run_inference(
        self,
        batch: Sequence[npt.NDArray[np.uint8]],
        model: Engine,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[PredictionResult]:
        """Run the module on a batch.

        Raises:
            ValueError: a picture has another type or size.
        """
        shape = (*self._loader.module.info.image_size, 3)
        for picture in batch:
            if picture.dtype != np.uint8 or picture.shape != shape:
                raise ValueError(
                    f"a picture of {picture.dtype} {picture.shape}: the module takes uint8 "
                    f"{shape}. Decode and resize it first."
                )
        outputs = model.run(np.stack(batch))
        return [
            PredictionResult(picture, _row(outputs, row), self._loader.module.handle)
            for row, picture in enumerate(batch)
        ]

    def get_metrics_namespace(self) -> str:
        """Return the namespace in which load time and latency are reported."""
        return METRICS_NAMESPACE

    def get_num_bytes(self, batch: Sequence[npt.NDArray[np.uint8]]) -> int:
        """Return the bytes of pixels in the batch."""
        return sum(picture.nbytes for picture in batch)


def _row(outputs: ModelOutputs, row: int) -> dict[str, npt.NDArray[np.float32]]:
    heads = {"scores": outputs.scores, "logits": outputs.logits, "features": outputs.features}
    return {head: values[row] for head, values in heads.items() if values is not None}
