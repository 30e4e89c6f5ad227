"""Beam's RunInference with the hub module, as Beam's documentation teaches it for TF-Hub.

python run_inference_label.py MODULE SIDE PHOTOS OUTPUT
"""

import io
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_hub as hub
from apache_beam.io.filesystems import FileSystems
from apache_beam.ml.inference.base import KeyedModelHandler, PredictionResult, RunInference
from apache_beam.ml.inference.tensorflow_inference import TFModelHandlerTensor
from PIL import Image


class HubHandler(TFModelHandlerTensor):
    """Beam's handler; its own way to load refuses modules of the TF1 format."""

    def load_model(self) -> Any:
        """Load the module."""
        return hub.load(self._model_uri)


def classify(
    model: Any, batch: Sequence[tf.Tensor], _args: dict[str, Any], _model_id: str | None
) -> Iterable[PredictionResult]:
    """Run one batch."""
    logits = next(iter(model.signatures["image_classification"](tf.stack(batch)).values()))
    return [PredictionResult(None, row) for row in logits.numpy()]


def read_image(path: str, side: int) -> tuple[str, tf.Tensor]:
    """One photo as the module takes it."""
    with FileSystems.open(path) as file:
        image = Image.open(io.BytesIO(file.read())).convert("RGB").resize((side, side))
    return path, tf.convert_to_tensor(np.asarray(image) / 255.0, tf.float32)


def main(module: str, side: str, photos: str, output: str) -> None:
    """Label a folder of photos."""
    paths = [os.path.join(where, name) for where, _, names in os.walk(photos) for name in names]
    options = beam.options.pipeline_options.PipelineOptions(
        ["--direct_num_workers=0", "--direct_running_mode=multi_threading"]
    )
    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | beam.Create(paths)
            | beam.Map(read_image, int(side))
            | RunInference(KeyedModelHandler(HubHandler(module, inference_fn=classify)))
            | beam.MapTuple(
                lambda path, result: {"path": path, "class": int(result.inference.argmax())}
            )
            | beam.io.WriteToParquet(
                os.path.join(output, "labels"),
                pa.schema([("path", pa.string()), ("class", pa.int64())]),
            )
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
