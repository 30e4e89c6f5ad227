"""Export a network as a reusable SavedModel of TF-Hub, with its metadata."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from imagebeam.mobilenet_v1.architecture import SCOPE
from imagebeam.mobilenet_v1.errors import NetworkError, refuse_existing
from imagebeam.mobilenet_v1.network import Network
from imagebeam.storage.atomic_files import atomic_folder
from imagebeam.version import MODULE_FORMAT

METADATA = "module.json"
FLATBUFFER = "module.tflite"

_NO_TRAINING = (
    "This module serves inference only. Train it further with "
    "`imagebeam module train IMAGES --from MODULE --output DIR`."
)


def export_module(
    network: Network,
    output: Path,
    *,
    classes: Sequence[str] | None = None,
    provenance: Mapping[str, Any] | None = None,
    compiler: Callable[[Path, Path], object] | None = None,
    extra_files: Mapping[str, bytes] | None = None,
) -> None:
    """Write `network` as a module for inference.

    The SavedModel has `__call__` (images to logits) and the signatures `default`,
    `serving_default`, `image_classification` and `image_feature_vector`. All take `images`,
    float32 (N, size, size, 3), RGB in [0, 1], and return under `default` the logits (N, classes),
    or the features (N, length) for `image_feature_vector`. The last two signatures also return
    every endpoint under `MobilenetV1/…`.

    Args:
        network: the network to export.
        output: directory to make; it appears only when it is complete.
        classes: the name of every class, in the order of the logits.
        provenance: the origin of the weights, as JSON values.
        compiler: compiles a SavedModel to a flatbuffer file; the module then contains its own
            flatbuffer, `assets.extra/module.tflite`.
        extra_files: more files of `assets.extra`, by name.

    Raises:
        NetworkError: `output` exists or cannot be written, or the names do not match the classes.
    """
    count = network.architecture.class_count
    if classes is not None and len(classes) != count:
        raise NetworkError(
            f"{len(classes)} class names for {count} classes. Give one name per class."
        )
    refuse_existing(output)
    try:
        with atomic_folder(output) as folder:
            _save(network, folder)
            extras = folder / "assets.extra"
            extras.mkdir()
            metadata = describe(network, classes, provenance or {})
            text = json.dumps(metadata, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
            (extras / METADATA).write_text(text, encoding="utf-8")
            for name, content in (extra_files or {}).items():
                (extras / name).write_bytes(content)
            if compiler:
                compiler(folder, extras / FLATBUFFER)
    except (OSError, tf.errors.OpError) as error:
        raise NetworkError(
            f"{output}: cannot be written: {error}. Nothing was left there. Check that the "
            "folder is writable and has free space."
        ) from error


def describe(
    network: Network, classes: Sequence[str] | None, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Make the metadata of the module, the content of `assets.extra/module.json`."""
    architecture = network.architecture
    # Older modules do not state that they are uint8, and their digests must not change.
    signed = {"quantization": "int8"} if network.quantization == "int8" else {}
    return {
        "format": MODULE_FORMAT,
        "image_size": [architecture.size, architecture.size],
        "value_range": [0.0, 1.0],
        "classes": None if classes is None else list(classes),
        "quantops": True,
        "network": {
            "family": "mobilenet_v1",
            "width": architecture.width,
            "size": architecture.size,
            "class_count": architecture.class_count,
            "parameters": architecture.parameters,
            "macs": architecture.macs,
            "input_quantised": network.quantise_input,
            **signed,
        },
        "provenance": dict(provenance),
    }


class _ExportedModule(tf.train.Checkpoint):
    """The interface of a reusable SavedModel: a call and its variables."""

    def __init__(self, network: Network, endpoints: Callable[..., dict[str, tf.Tensor]]) -> None:
        super().__init__()
        self.variables = list(network.variables)
        self.trainable_variables: list[tf.Variable] = []
        self.regularization_losses: list[Any] = []
        self._endpoints = endpoints

    @tf.function
    def __call__(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        if training:
            # Tracing must not be able to decide the condition, or the export itself would fail.
            never = tf.reduce_all(tf.math.is_nan(images))
            with tf.control_dependencies([tf.debugging.Assert(never, [_NO_TRAINING])]):
                images = tf.identity(images)
        return self._endpoints(images)["Logits"]


def _save(network: Network, directory: Path) -> None:
    size = network.architecture.size
    images = tf.TensorSpec([None, size, size, 3], tf.float32, name="images")

    @tf.function(input_signature=[images])
    def trace(images: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.name_scope("hub_input"):
            inputs = tf.subtract(tf.multiply(images, 2.0, name="Mul"), 1.0, name="Sub")
        return network.infer(inputs)

    # One concrete function, so that all signatures share one copy of the graph.
    endpoints = trace.get_concrete_function()

    @tf.function(input_signature=[images])
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": endpoints(images)["Logits"]}

    @tf.function(input_signature=[images])
    def classify_with_endpoints(images: tf.Tensor) -> dict[str, tf.Tensor]:
        values = endpoints(images)
        return {"default": values["Logits"], **_published(values)}

    @tf.function(input_signature=[images])
    def extract_features(images: tf.Tensor) -> dict[str, tf.Tensor]:
        values = endpoints(images)
        return {"default": tf.squeeze(values["AvgPool_1a"], [1, 2]), **_published(values)}

    module = _ExportedModule(network, endpoints)
    for training in (False, True):
        module.__call__.get_concrete_function(images, training=training)
    signatures = {
        "default": classify,
        "serving_default": classify,
        "image_classification": classify_with_endpoints,
        "image_feature_vector": extract_features,
    }
    tf.saved_model.save(module, str(directory), signatures)


def _published(endpoints: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {f"{SCOPE}/{name}": values for name, values in endpoints.items()}
