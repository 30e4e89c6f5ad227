"""Load a SavedModel directory, TF1 Hub format or TF2, as an image module. Needs TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from imagebeam.modules.errors import ModuleError, reason_of
from imagebeam.modules.input_options import (
    ASSUMED,
    BGR,
    GRAPH,
    NO_OPTIONS,
    OPTION,
    RGB,
    STATED,
    InputOptions,
    Range,
)
from imagebeam.modules.metadata import ASSET, Metadata, parse
from imagebeam.modules.probe_images import are_independent, are_probabilities, probe_pictures
from imagebeam.modules.signatures import Head, Signature, Spec, check_picture_input, choose_heads
from imagebeam.modules.tensorflow.freezing import freeze
from imagebeam.modules.tensorflow.rescaling import range_of_front
from imagebeam.modules.tensorflow.saved_model_proto import (
    default_image_size,
    has_fake_quantisation,
    has_operation,
    inference_tags,
    is_hub_module,
    read_graphs,
)
from imagebeam.modules.types import FEATURES, LOGITS, SCORES, FloatArray, ModuleInfo, Pixels

_HUB_RANGE = (0.0, 1.0)
_RAW_RANGE = (0.0, 255.0)
_HUB_SIGNATURES = {"image_classification", "image_feature_vector"}

_T = TypeVar("_T")


@dataclass(frozen=True)
class Heads:
    """The functions of a module over one picture input.

    Attributes:
        by_kind: the heads that the module has: "logits" or "scores", and "features".
        batch: the fixed length of the batch dimension, None when it is free.
        dtype: "float32" or "uint8", of the pictures.
        ranges: the values that stand for the pixel values 0 and 255 in them: one pair for all
            channels, or one for each.
        channels: the order of the colours in them, "rgb" or "bgr".
    """

    by_kind: Mapping[str, Head]
    batch: int | None
    dtype: str
    ranges: tuple[Range, ...]
    channels: str = RGB

    def infer(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute each head, float32 (N, length), for pictures of `dtype` and `ranges`."""
        return {
            kind: _rows(head.signature.call(pictures)[head.output])
            for kind, head in self.by_kind.items()
        }

    def infer_pixels(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute each head, float32 (N, length), for pixels uint8 (N, height, width, 3)."""
        if self.channels == BGR:
            pixels = pixels[..., ::-1]
        if self.dtype == "uint8":
            return self.infer(pixels)
        low, high = np.asarray(self.ranges, np.float32).T
        return self.infer(tf.cast(pixels, tf.float32) / 255.0 * (high - low) + low)


@dataclass(frozen=True)
class SavedModel:
    """A loaded SavedModel that is an image module.

    Attributes:
        loaded: the object from `tf.saved_model.load`; it keeps the variables alive.
        lengths: the length of a row of each head.
    """

    source: str
    info: ModuleInfo
    heads: Heads
    loaded: Any
    lengths: Mapping[str, int]


def load_saved_model(path: Path, options: InputOptions = NO_OPTIONS) -> SavedModel:
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
    batch = spec.shape[0] if spec.shape else None
    heads = Heads(by_kind, batch, spec.dtype, (_HUB_RANGE,), options.channels or RGB)
    is_hub = is_hub_module(path) or not _HUB_SIGNATURES.isdisjoint(
        head.signature.name for head in by_kind.values()
    )
    ranges, origin = _input_ranges(heads, size, metadata, is_hub, options, source)
    heads = replace(heads, ranges=ranges)
    outputs = _probe(heads, size, source)
    independent = False
    if LOGITS in outputs:
        independent = has_operation(graphs, "Sigmoid") and are_independent(outputs[LOGITS])
        if independent or are_probabilities(outputs[LOGITS]):
            outputs = _logits_as_scores(outputs)
            heads = replace(heads, by_kind=_logits_as_scores(by_kind))
    info = replace(
        _info(size, ranges[0], outputs, metadata, has_fake_quantisation(graphs), source),
        channel_ranges=ranges if len(ranges) > 1 else None,
        channels=heads.channels,
        range_origin=origin,
        independent=independent,
        options=options,
    )
    lengths = {kind: rows.shape[1] for kind, rows in outputs.items()}
    return SavedModel(source, info, heads, loaded, lengths)


def _input_ranges(
    heads: Heads,
    size: tuple[int, int],
    metadata: Metadata,
    is_hub: bool,
    options: InputOptions,
    source: str,
) -> tuple[tuple[Range, ...], str]:
    """Return the range of the input, one for all channels or one for each, and its origin."""
    if heads.dtype == "uint8":
        if options.ranges is not None:
            raise ModuleError(
                f"{source}: its input takes pixel bytes, so it has no other range. Leave out "
                "--input-range, --mean and --std."
            )
        return (_RAW_RANGE,), STATED
    if options.ranges is not None:
        return options.ranges, OPTION
    if metadata.value_range is not None:
        return (metadata.value_range,), STATED
    if is_hub:
        # The common signatures of TF-Hub take pixels in [0, 1].
        return (_HUB_RANGE,), STATED
    spec = tf.TensorSpec([heads.batch or 1, *size, 3], tf.float32)
    try:
        frozen = freeze(heads.infer, spec)
        found = range_of_front(frozen.function.graph.as_graph_def(), frozen.input_name)
    except Exception:  # the range is then assumed, whatever the graph has that cannot be frozen
        found = None
    return ((_HUB_RANGE,), ASSUMED) if found is None else ((found,), GRAPH)


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
    if lengths.get(SCORES) == 1:
        # One sigmoid separates two classes.
        class_count = 2
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
