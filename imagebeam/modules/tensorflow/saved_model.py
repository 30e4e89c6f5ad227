"""Load a SavedModel directory, TF1 Hub format or TF2, as an image module. Needs TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from imagebeam.modules.errors import ModuleError, reason_of
from imagebeam.modules.metadata import ASSET, Metadata, parse
from imagebeam.modules.probe_images import are_probabilities, probe_pictures
from imagebeam.modules.signatures import Head, Signature, Spec, check_picture_input, choose_heads
from imagebeam.modules.tensorflow.saved_model_proto import (
    default_image_size,
    has_fake_quantisation,
    inference_tags,
    read_graphs,
)
from imagebeam.modules.types import FEATURES, LOGITS, SCORES, FloatArray, ModuleInfo, Pixels

_HUB_RANGE = (0.0, 1.0)
_RAW_RANGE = (0.0, 255.0)

_T = TypeVar("_T")


@dataclass(frozen=True)
class Heads:
    """The functions of a module over one picture input.

    Attributes:
        by_kind: the heads that the module has: "logits" or "scores", and "features".
        batch: the fixed length of the batch dimension, None when it is free.
        dtype: "float32" or "uint8", of the pictures.
        value_range: the values that stand for the pixel values 0 and 255 in them.
    """

    by_kind: Mapping[str, Head]
    batch: int | None
    dtype: str
    value_range: tuple[float, float]

    def infer(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute each head, float32 (N, length), for pictures of `dtype` and `value_range`."""
        return {
            kind: _rows(head.signature.call(pictures)[head.output])
            for kind, head in self.by_kind.items()
        }

    def infer_pixels(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute each head, float32 (N, length), for pixels uint8 (N, height, width, 3)."""
        if self.dtype == "uint8":
            return self.infer(pixels)
        low, high = self.value_range
        return self.infer(tf.cast(pixels, tf.float32) / 255.0 * (high - low) + low)


@dataclass(frozen=True)
class SavedModel:
    """A loaded SavedModel that is an image module.

    Attributes:
        loaded: the object from `tf.saved_model.load`; it keeps the variables alive.
    """

    source: str
    info: ModuleInfo
    heads: Heads
    loaded: Any


def load_saved_model(path: Path) -> SavedModel:
    """Load the SavedModel directory `path` and read its interface.

    The outputs for a few probe pictures decide if a classifier ends in logits or in a softmax:
    rows without negative values that sum to one are probabilities.

    Raises:
        ModuleError: `path` is not a SavedModel, is damaged, or is not an image module.
    """
    source = repr(str(path))
    graphs = read_graphs(path)
    metadata = _read_metadata(path)
    loaded = _load(path, inference_tags(graphs), source)
    by_kind = choose_heads(signatures_of(loaded), source)
    spec = check_picture_input(by_kind, source)
    size = _image_size(spec, metadata, default_image_size(graphs), source)
    value_range = _RAW_RANGE if spec.dtype == "uint8" else metadata.value_range or _HUB_RANGE
    heads = Heads(by_kind, spec.shape[0] if spec.shape else None, spec.dtype, value_range)
    answers = _probe(heads, size, source)
    if LOGITS in answers and are_probabilities(answers[LOGITS]):
        answers = _logits_as_scores(answers)
        heads = replace(heads, by_kind=_logits_as_scores(by_kind))
    info = _info(size, value_range, answers, metadata, has_fake_quantisation(graphs), source)
    return SavedModel(source, info, heads, loaded)


def _logits_as_scores(values: Mapping[str, _T]) -> dict[str, _T]:
    return {SCORES if kind == LOGITS else kind: value for kind, value in values.items()}


def _read_metadata(path: Path) -> Metadata:
    file = path / ASSET
    return parse(file.read_text("utf-8"), repr(str(file))) if file.is_file() else Metadata()


def _load(path: Path, tags: list[str] | None, source: str) -> Any:
    try:
        return tf.saved_model.load(str(path), tags=tags)
    except Exception as error:  # the errors of damaged graphs are not documented
        raise ModuleError(
            f"{source}: TensorFlow {tf.__version__} cannot load it ({reason_of(error)}). "
            "Fetch the module again, or give one for this version."
        ) from error


def _image_size(
    spec: Spec, metadata: Metadata, attached: tuple[int, int] | None, source: str
) -> tuple[int, int]:
    _, height, width, _ = spec.shape or (None,) * 4
    if height and width:
        return height, width
    size = metadata.image_size or attached
    if size is None:
        raise ModuleError(
            f"{source}: accepts pictures of any size and states no default size. "
            f"Add {ASSET} with an image_size to it."
        )
    return size


def _probe(heads: Heads, size: tuple[int, int], source: str) -> dict[str, FloatArray]:
    pixels: Pixels = probe_pictures(size)
    if heads.batch is not None:
        pixels = np.resize(pixels, (heads.batch, *pixels.shape[1:]))
    try:
        answers = heads.infer_pixels(tf.constant(pixels))
    except (ValueError, TypeError, tf.errors.OpError) as error:
        height, width = size
        raise ModuleError(
            f"{source}: fails on pictures of {height}x{width} ({reason_of(error)}). "
            "Give an image module."
        ) from error
    return {kind: rows.numpy() for kind, rows in answers.items()}


def _rows(value: tf.Tensor) -> tf.Tensor:
    """Reshape `value` (N, length) or (N, 1, 1, length) to float32 (N, length)."""
    if value.shape.rank == 2:
        return tf.cast(value, tf.float32)
    lengths = [length for length in (value.shape[1:] if value.shape.rank else ()) if length != 1]
    if len(lengths) != 1:
        raise ValueError(f"its output has the shape {value.shape}, not one vector per picture")
    return tf.cast(tf.reshape(value, [-1, *lengths]), tf.float32)


def _info(
    size: tuple[int, int],
    value_range: tuple[float, float],
    answers: Mapping[str, FloatArray],
    metadata: Metadata,
    quantops: bool,
    source: str,
) -> ModuleInfo:
    lengths = {kind: rows.shape[1] for kind, rows in answers.items()}
    class_count = lengths.get(LOGITS, lengths.get(SCORES))
    return ModuleInfo(
        image_size=size,
        value_range=value_range,
        heads=frozenset({*answers, SCORES} if LOGITS in answers else answers),
        class_count=class_count,
        feature_length=lengths.get(FEATURES),
        class_names=None if class_count is None else metadata.class_names(class_count, source),
        quantops=quantops,
        network=metadata.network,
        provenance=metadata.provenance,
    )


def signatures_of(loaded: Any) -> dict[str, Signature]:
    """Collect the signatures of a loaded SavedModel, and its `__call__`, by name."""
    found = {name: _from_signature(name, each) for name, each in loaded.signatures.items()}
    for function in _traces_of_call(loaded):
        arguments, keywords = function.structured_input_signature
        # Keras traces one function for training and one without.
        if not any(each is True for each in (*arguments, *keywords.values())):
            found.setdefault("__call__", _from_call(loaded, function))
    return found


def _traces_of_call(loaded: Any) -> Iterable[Any]:
    return loaded.__call__.concrete_functions if callable(loaded) else ()


def _from_signature(name: str, function: Any) -> Signature:
    _, inputs = function.structured_input_signature
    only_input = next(iter(inputs), "")
    return Signature(
        name=name,
        inputs={key: _spec(tensor) for key, tensor in inputs.items()},
        outputs={key: _spec(tensor) for key, tensor in function.structured_outputs.items()},
        call=lambda pictures: function(**{only_input: pictures}),
    )


def _from_call(loaded: Any, function: Any) -> Signature:
    example = function.structured_input_signature
    specs = [each for each in tf.nest.flatten(example) if _is_spec(each)]

    def call(pictures: tf.Tensor) -> dict[str, Any]:
        arguments, keywords = tf.nest.map_structure(
            lambda each: pictures if _is_spec(each) else each, example
        )
        return _by_name(loaded(*arguments, **keywords))

    return Signature(
        name="__call__",
        inputs={each.name or str(number): _spec(each) for number, each in enumerate(specs)},
        outputs={key: _spec(each) for key, each in _by_name(function.structured_outputs).items()},
        call=call,
    )


def _is_spec(value: Any) -> bool:
    return isinstance(value, tf.TensorSpec)


def _by_name(outputs: Any) -> dict[str, Any]:
    if isinstance(outputs, Mapping):
        return dict(outputs)
    several = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    if len(several) == 1:
        return {"default": several[0]}
    return {str(number): each for number, each in enumerate(several)}


def _spec(tensor: Any) -> Spec:
    shape = None if tensor.shape.rank is None else tuple(tensor.shape.as_list())
    return Spec(shape, tensor.dtype.name)
