"""A model handler with which Beam's RunInference loads and runs modules."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from imagebeam.images.settings import Preprocessing
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.open_module import open_module
from imagebeam.modules.types import ModuleInfo
from imagebeam.outputs.ranking import ranked_classes
from imagebeam.transforms.module_loader import METRICS_NAMESPACE, ModuleLoader
from imagebeam.transforms.picture_decoder import Picture, PictureDecoder

_TOP_K = 5


Example = Picture | npt.NDArray[np.uint8]


class ModuleHandler(ModelHandler[Example, PredictionResult, "LoadedModule"]):
    """Runs any TF-Hub image module on decoded pictures with Beam's `RunInference`.

    Examples are uint8 arrays (height, width, 3), RGB, of the module's image size, or what `decode`
    makes of bytes, URIs and rows with the field `uri`. The inference of each `PredictionResult` is
    a dict: `label`, `score` and `top_k` as in the rows of the job, and the float32 vectors
    `scores`, `logits` and `features`, as far as the module has them. Its `model_id` is the handle
    of the module. A flatbuffer is sent with the pipeline.

    The side input `model_metadata_pcoll` of `RunInference` changes the module while the pipeline
    runs: `model_id` is a handle, which workers must be able to read. The only entry of
    `inference_args` is `top_k`, the number of classes in `top_k`, by default 5.

    Examples:
        >>> import apache_beam as beam
        >>> from apache_beam.ml.inference.base import RunInference
        >>> from imagebeam import ModuleHandler
        >>> from imagebeam.samples import ARCHIVE, MODULE
        >>> handler = ModuleHandler(str(MODULE))
        >>> handler.info.image_size
        (128, 128)
        >>> path = str(ARCHIVE / "garden" / "IMG_2008.jpg")
        >>> with beam.Pipeline("FnApiRunner") as pipeline:
        ...     examples = pipeline | beam.Create([path])
        ...     found = examples | RunInference(handler.with_preprocess_fn(handler.decode))
        ...     _ = found | beam.Map(lambda result: print(result.inference["label"]))
        apple

    Args:
        handle: a module as `--module` takes it.
        engine: an engine as `--engine` takes it.
        options: facts about the input of the module that it does not state.
        batching: Beam's own arguments, such as `max_batch_size`.

    Attributes:
        info: the interface of the module: image size, classes, range of the input and more.
        decode: a function for `with_preprocess_fn`, which reads and decodes pictures for this
            module. Set its attributes for another resize, other limits or access to buckets.

    Raises:
        ModuleError: the handle does not name a module that can run here.
    """

    def __init__(
        self,
        handle: str,
        engine: str = "auto",
        options: ModuleOptions = NO_OPTIONS,
        **batching: Any,
    ) -> None:
        super().__init__(**batching)
        self._engine = engine
        self._options = options
        self._model_path: str | None = None
        self._loader = self._open(handle)
        self.info: ModuleInfo = self._loader.module.info
        self.decode = PictureDecoder(Preprocessing(self.info.image_size))

    def _open(self, handle: str) -> ModuleLoader:
        module = open_module(handle, self._engine, options=self._options)
        for note in module.notes:
            warnings.warn(note, stacklevel=3)
        return ModuleLoader(module, embed_model=True)

    def update_model_path(self, model_path: str | None = None) -> None:
        """Take another module for the next call of `load_model`; Beam calls this.

        Args:
            model_path: its handle; None or "" for the module of the constructor.
        """
        self._model_path = model_path

    def load_model(self) -> "LoadedModule":
        """Load the engine; Beam calls this once per process and module."""
        return LoadedModule(self._open(path) if (path := self._model_path) else self._loader)

    def validate_inference_args(self, inference_args: dict[str, Any] | None) -> None:
        """Raise ValueError for an argument of `RunInference` that is unknown or has no meaning."""
        unknown = sorted(set(inference_args or {}) - {"top_k"})
        if unknown:
            raise ValueError(
                f"inference_args: {', '.join(map(repr, unknown))} unknown. The only argument is "
                "'top_k', the number of classes."
            )
        top_k = (inference_args or {}).get("top_k", _TOP_K)
        if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
            raise ValueError(
                f"inference_args: top_k={top_k!r} must be a whole number from 1. Give 5, for "
                "example."
            )

    def run_inference(
        self,
        batch: Sequence[Example],
        model: "LoadedModule",
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[PredictionResult]:
        """Run the module on a batch; raise ValueError for pictures of another type or size."""
        top_k = (inference_args or {}).get("top_k", _TOP_K)
        handle, rows = model.infer([_pixels(picture) for picture in batch], top_k)
        return [
            PredictionResult(picture, row, handle) for picture, row in zip(batch, rows, strict=True)
        ]

    def get_metrics_namespace(self) -> str:
        """Return the namespace in which load time and latency are reported."""
        return METRICS_NAMESPACE

    def get_num_bytes(self, batch: Sequence[Example]) -> int:
        """Return the bytes of pixels in the batch."""
        return sum(_pixels(picture).nbytes for picture in batch)


class LoadedModule:
    """An engine with the module that it runs; with `large_model`, all processes call one."""

    def __init__(self, loader: ModuleLoader) -> None:
        self._module = loader.module
        self._engine = loader.load()

    def infer(
        self, pictures: Sequence[npt.NDArray[np.uint8]], top_k: int
    ) -> tuple[str, list[dict[str, Any]]]:
        """Run the module; return its handle and the inference of each picture.

        Raises:
            ValueError: a picture has another type or size.
        """
        info = self._module.info
        shape = (*info.image_size, 3)
        for picture in pictures:
            if picture.dtype != np.uint8 or picture.shape != shape:
                raise ValueError(
                    f"a picture of {picture.dtype} {picture.shape}: the module "
                    f"{self._module.handle!r} takes uint8 {shape}. Decode and resize it first."
                )
        outputs = self._engine.run(np.stack(pictures))
        heads = {"scores": outputs.scores, "logits": outputs.logits, "features": outputs.features}
        rows: list[dict[str, Any]] = [
            {head: values[row] for head, values in heads.items() if values is not None}
            for row in range(len(pictures))
        ]
        if outputs.scores is not None:
            ranked = ranked_classes(outputs.scores, info.class_names, top_k)
            for row, classes in zip(rows, ranked, strict=True):
                row |= {"label": classes[0].label, "score": classes[0].score, "top_k": classes}
        return self._module.handle, rows


def _pixels(picture: Example) -> npt.NDArray[np.uint8]:
    return picture.pixels if isinstance(picture, Picture) else picture
