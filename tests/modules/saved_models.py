"""Small SavedModels of every kind, written by TensorFlow."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

SIZE = 16
CLASSES = 5

Function = Callable[[tf.Tensor], Any]


def pictures(
    size: int | None = SIZE, channels: int = 3, dtype: str = "float32", batch: int | None = None
) -> tf.TensorSpec:
    """Return the input of most modules in this file."""
    return tf.TensorSpec([batch, size, size, channels], dtype, name="images")


def mean_colours(images: tf.Tensor) -> tf.Tensor:
    """Return float32 (N, CLASSES): sums of mean red, green and blue, easy to compute by hand."""
    colours = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2])
    mixing = tf.constant([[1.0, 0, 0, 1, 2], [0, 1, 0, 1, -2], [0, 0, 1, 1, 3]])
    return colours @ mixing


def write_tf2(
    directory: Path,
    signatures: Mapping[str, Function],
    spec: tf.TensorSpec | None = None,
    call: Function | None = None,
) -> Path:
    """Write a TF2 SavedModel whose signatures take `spec`; functions return tensors by name."""
    module = tf.Module()
    spec = spec or pictures()
    if call is not None:
        module.__call__ = tf.function(call, input_signature=[spec])
    traced = {
        name: tf.function(function, input_signature=[spec]) for name, function in signatures.items()
    }
    tf.saved_model.save(module, str(directory), traced or None)
    return directory


def write_tf1(
    directory: Path,
    signatures: Mapping[str, Function],
    attached_size: tuple[int, int] | None = None,
    size: int | None = SIZE,
    tag_sets: tuple[tuple[str, ...], ...] = ((),),
) -> Path:
    """Write a module in TF1 Hub format: the variant for inference has no tags.

    Args:
        directory: to make.
        signatures: functions of images, float32 (N, size, size, 3), to tensors by name.
        attached_size: height and width that an ImageModuleInfo states.
        size: None for pictures of any size.
        tag_sets: of the variants.
    """
    builder = tf.compat.v1.saved_model.builder.SavedModelBuilder(str(directory))
    for number, tags in enumerate(tag_sets):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            images = tf.compat.v1.placeholder(tf.float32, [None, size, size, 3], "hub_input/images")
            scale = tf.compat.v1.get_variable("scale", initializer=1.0)
            session.run(tf.compat.v1.global_variables_initializer())
            if attached_size is not None:
                tf.compat.v1.add_to_collection(
                    "hub_module_attachments", _attachment(*attached_size)
                )
            defined = {
                name: tf.compat.v1.saved_model.signature_def_utils.predict_signature_def(
                    {"images": images}, function(images * scale)
                )
                for name, function in signatures.items()
            }
            if number == 0:
                builder.add_meta_graph_and_variables(session, list(tags), defined)
            else:
                builder.add_meta_graph(list(tags), defined)
    builder.save()
    (directory / "tfhub_module.pb").write_bytes(b"\x08\x03")
    return directory


def _attachment(height: int, width: int) -> bytes:
    """Return a ModuleAttachment with an ImageModuleInfo, encoded by hand, below 16,384 bytes."""
    size = b"\x08" + _varint(height) + b"\x10" + _varint(width)
    info = b"\x0a" + _varint(len(size)) + size
    key = b"image_module_info"
    return b"\x0a" + _varint(len(key)) + key + b"\x12" + _varint(len(info)) + info


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7])


def quantops_network(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return a small network with fake quantisation at the places where quantops modules have it.

    A 3×3 convolution of stride 2, relu6, average pooling (features, float32 (N, 8)) and a 1×1
    convolution (logits, float32 (N, CLASSES)).
    """
    generator = np.random.default_rng(1)
    first = generator.normal(0, 0.4, [3, 3, 3, 8]).astype(np.float32)
    second = generator.normal(0, 0.8, [1, 1, 8, CLASSES]).astype(np.float32)
    activations = tf.nn.conv2d(images * 2.0 - 1.0, _fake_quantised(first), 2, "SAME")
    activations = _fake_quantise(tf.nn.relu6(activations), 0.0, 6.0)
    features = tf.nn.avg_pool2d(activations, SIZE // 2, 1, "VALID")
    logits = tf.nn.conv2d(features, _fake_quantised(second), 1, "SAME")
    logits = _fake_quantise(tf.nn.bias_add(logits, [0.1, -0.2, 0.3, 0.0, 0.5]), -4.0, 4.0)
    return {"logits": tf.squeeze(logits, [1, 2]), "features": tf.squeeze(features, [1, 2])}


def _fake_quantised(weights: npt.NDArray[np.float32]) -> tf.Tensor:
    low, high = float(weights.min()), float(weights.max())
    return _fake_quantise(tf.constant(weights), low, high, narrow_range=True)


def _fake_quantise(
    values: tf.Tensor, low: float, high: float, narrow_range: bool = False
) -> tf.Tensor:
    return tf.quantization.fake_quant_with_min_max_vars(
        values, low, high, narrow_range=narrow_range
    )
