"""Tiny networks of every kind that users bring, each with a direct way to run the same file.

All take pictures of 16 by 16 pixels and share their weights, so only their kind differs.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

SIZE = 16
CLASSES = 4

Array = npt.NDArray[Any]
Function = Callable[[tf.Tensor], Any]

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)

_GENERATOR = np.random.default_rng(3)
KERNEL = _GENERATOR.normal(0, 0.5, (3, 3, 3, 6)).astype(np.float32)
DENSE = _GENERATOR.normal(0, 1.5, (6, CLASSES)).astype(np.float32)


def pictures(count: int = 3) -> npt.NDArray[np.uint8]:
    """Make uint8 (count, 16, 16, 3): soft colours, which answers depend on."""
    generator = np.random.default_rng(1)
    coarse = generator.integers(0, 256, (count, 4, 4, 3)).astype(np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def features(images: tf.Tensor) -> tf.Tensor:
    """Return float32 (N, 6): a convolution, relu6 and pooling."""
    return tf.reduce_mean(tf.nn.relu6(tf.nn.conv2d(images, KERNEL, 2, "SAME")), [1, 2])


def logits(images: tf.Tensor) -> tf.Tensor:
    """Return float32 (N, 4)."""
    return features(images) @ DENSE


class Network(tf.Module):
    """A function of pictures as a module."""

    def __init__(self, function: Function, spec: tf.TensorSpec | None = None) -> None:
        super().__init__()
        spec = spec or tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32, "pictures")
        self.function = tf.function(function, input_signature=[spec])


def saved_model(path: Path, signatures: Mapping[str, Function], **specs: tf.TensorSpec) -> Path:
    """Write a SavedModel with `signatures`; `specs` are those of signatures with other inputs."""
    network = tf.Module()
    functions = {
        name: Network(function, specs.get(name)).function for name, function in signatures.items()
    }
    network.functions = list(functions.values())
    tf.saved_model.save(network, str(path), functions)
    return path


def flatbuffer(
    path: Path, function: Function, spec: tf.TensorSpec | None = None, **settings: Any
) -> Path:
    """Convert a function to a flatbuffer; `settings` are those of the converter."""
    network = Network(function, spec)
    concrete = network.function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], network)
    for name, value in settings.items():
        setattr(converter, name, value)
    path.write_bytes(converter.convert())
    return path


def quantised(low: float, high: float, kind: str, io: Any) -> dict[str, Any]:
    """Return the settings of a converter for a network of integers.

    Args:
        low: value of pixel 0 in the pictures for calibration.
        high: value of pixel 255.
        kind: "int8" or "16x8".
        io: type of inputs and outputs.
    """
    operations = {
        "int8": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
        "16x8": tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
    }[kind]
    spec = tf.lite.TargetSpec(supported_ops=[operations])

    def calibration() -> Any:
        generator = np.random.default_rng(7)
        for _ in range(30):
            pixels = generator.integers(0, 256, (1, SIZE, SIZE, 3)).astype(np.float32)
            yield [pixels / 255 * (high - low) + low]

    return {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "representative_dataset": calibration,
        "target_spec": spec,
        "inference_input_type": io,
        "inference_output_type": io,
    }


def run_flatbuffer(path: Path, real: Array, place: int = 0) -> Array:
    """Run a flatbuffer directly with LiteRT on `real` values of its input, picture by picture."""
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    [entry] = interpreter.get_input_details()
    interpreter.resize_tensor_input(entry["index"], (1, *real.shape[1:]))
    interpreter.allocate_tensors()
    rows = []
    for picture in real:
        interpreter.set_tensor(entry["index"], _as_input(picture[np.newaxis], entry))
        interpreter.invoke()
        output = interpreter.get_output_details()[place]
        values = interpreter.get_tensor(output["index"]).astype(np.float32)
        scale, zero_point = output["quantization"]
        rows.append((values - zero_point) * scale if scale else values)
    return np.concatenate(rows)


def _as_input(real: Array, entry: Mapping[str, Any]) -> Array:
    scale, zero_point = entry["quantization"]
    if not scale:
        return real.astype(entry["dtype"])
    limits = np.iinfo(entry["dtype"])
    integers: Array = np.round(real / scale + zero_point).clip(limits.min, limits.max)
    return integers.astype(np.dtype(entry["dtype"]))
