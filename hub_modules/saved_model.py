"""A SavedModel directory, TF1 Hub format or TF2, as an image module. Needs TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from hub_modules.attachments import default_image_size
from hub_modules.errors import ModuleError
from hub_modules.metadata import ASSET, Metadata, parse
from hub_modules.probes import are_probabilities, probe_pictures
from hub_modules.records import FEATURES, LOGITS, SCORES, ModuleInfo
from hub_modules.signatures import (
    Head,
    Signature,
    Spec,
    check_picture_input,
    choose_heads,
)

GRAPH_FILE = "saved_model.pb"
_HUB_RANGE = (0.0, 1.0)
_RAW_RANGE = (0.0, 255.0)


@dataclass(frozen=True)
class SavedModel:
    """A loaded SavedModel with its heads.

    Attributes:
        info: its interface; `value_range` is that of its input tensor.
        batch: the fixed length of the batch dimension, None when it is free.
        dtype: "float32" or "uint8", of the input tensor.
    """

    source: str
    info: ModuleInfo
    heads: Mapping[str, Head]
    batch: int | None
    dtype: str
    loaded: Any

    def answer(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        """Each head's answer to a batch in the module's own dtype and range; logits or scores."""
        return _answer(self.heads, self.info.heads, pictures)

    def answer_pixels(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Each head's answer to pixels uint8 (N, height, width, 3)."""
        return self.answer(_to_range(pixels, self.dtype, self.info.value_range))

    @property
    def lengths(self) -> dict[str, int]:
        """The length of a row of each head's answer."""
        classes, features = self.info.class_count, self.info.feature_length
        found = {_classifier(self.info.heads): classes, FEATURES: features}
        return {head: length for head, length in found.items() if length is not None}


@dataclass(frozen=True)
class Frozen:
    """A function whose variables have become constants.

    Attributes:
        function: the ConcreteFunction; its outputs are in the order of `heads`.
        heads: sorted names.
    """

    function: Any
    heads: tuple[str, ...]

    def call(self, tensor: tf.Tensor) -> dict[str, tf.Tensor]:
        """The answer of each head."""
        return dict(zip(self.heads, self.function(tensor), strict=True))


def freeze(answer: Callable[[tf.Tensor], dict[str, tf.Tensor]], spec: tf.TensorSpec) -> Frozen:
    """Trace `answer` for inputs of `spec` and freeze it."""
    function = tf.function(answer, input_signature=[spec]).get_concrete_function()
    # TensorFlow orders the values of a dictionary by key.
    heads = tuple(sorted(function.structured_outputs))
    return Frozen(convert_variables_to_constants_v2(function, lower_control_flow=False), heads)


def load_saved_model(path: Path) -> SavedModel:
    """Load the SavedModel directory `path` and read its interface.

    Whether a classifier ends in logits or in a softmax is decided by its answers to a few probe
    pictures: rows without negative values that sum to one are probabilities.

    Raises:
        ModuleError: not a SavedModel, damaged, or no image module.
    """
    source = repr(str(path))
    graphs = _read_graphs(path, source)
    metadata = _read_metadata(path)
    tags = _choose_tags(graphs)
    loaded = _load(path, tags, source)
    heads = choose_heads(_signatures(loaded), source)
    spec = check_picture_input(heads, source)
    size = _image_size(spec, metadata, graphs, source)
    value_range = _RAW_RANGE if spec.dtype == "uint8" else metadata.value_range or _HUB_RANGE
    batch = spec.shape[0] if spec.shape else None
    probes = probe_pictures(size)[: batch or None]
    answers = _probe(heads, probes, batch, spec.dtype, value_range, source)
    info = _info(size, value_range, answers, metadata, _has_fake_quantisation(graphs), source)
    return SavedModel(source, info, heads, batch, spec.dtype, loaded)


def _read_graphs(path: Path, source: str) -> list[Any]:
    file = path / GRAPH_FILE
    if not file.is_file():
        raise ModuleError(
            f"{source}: no module, it holds no {GRAPH_FILE}. "
            "Give the directory of a TF-Hub module or a SavedModel."
        )
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString(file.read_bytes())
    except DecodeError as error:
        raise ModuleError(
            f"{source}: its {GRAPH_FILE} is damaged ({error}). Fetch the module again."
        ) from error
    return list(saved_model.meta_graphs)


def _read_metadata(path: Path) -> Metadata:
    file = path / ASSET
    return parse(file.read_text("utf-8"), repr(str(file))) if file.is_file() else Metadata()


def _choose_tags(graphs: list[Any]) -> list[str] | None:
    """Inference variants: TF1 Hub format tags it with the empty set, serving with "serve"."""
    variants = [set(graph.meta_info_def.tags) for graph in graphs]
    for wanted in (set(), {"serve"}):
        if wanted in variants:
            return sorted(wanted)
    return None


def _load(path: Path, tags: list[str] | None, source: str) -> Any:
    try:
        return tf.saved_model.load(str(path), tags=tags)
    except (
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        AttributeError,
        tf.errors.OpError,
    ) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModuleError(
            f"{source}: TensorFlow {tf.__version__} cannot load it ({reason}). "
            "Fetch the module again, or give one for this version."
        ) from error


def _signatures(loaded: Any) -> dict[str, Signature]:
    found = {name: _from_concrete(name, fn) for name, fn in loaded.signatures.items()}
    for function in getattr(getattr(loaded, "__call__", None), "concrete_functions", ()):
        arguments, keywords = function.structured_input_signature
        # Keras traces one function for training and one without.
        if keywords.get("training") is True or any(each is True for each in arguments):
            continue
        found.setdefault("__call__", _from_call(loaded, function, arguments, keywords))
    return found


def _from_concrete(name: str, function: Any) -> Signature:
    _, inputs = function.structured_input_signature
    outputs = function.structured_outputs
    key = next(iter(inputs), "")
    return Signature(
        name=name,
        inputs={key: _spec(each) for key, each in inputs.items()},
        outputs={key: _spec(each) for key, each in outputs.items()},
        call=lambda pictures: function(**{key: pictures}),
    )


def _from_call(loaded: Any, function: Any, arguments: Any, keywords: Any) -> Signature:
    specs = [each for each in tf.nest.flatten((arguments, keywords)) if _is_spec(each)]

    def call(pictures: tf.Tensor) -> dict[str, Any]:
        positional, named = tf.nest.map_structure(
            lambda each: pictures if _is_spec(each) else each, (arguments, keywords)
        )
        return _by_name(loaded(*positional, **named))

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


def _image_size(spec: Spec, metadata: Metadata, graphs: list[Any], source: str) -> tuple[int, int]:
    _, height, width, _ = spec.shape or (None,) * 4
    if height and width:
        return height, width
    size = metadata.image_size or default_image_size(graphs)
    if size is None:
        raise ModuleError(
            f"{source}: takes pictures of any size and states no default one. "
            f"Add {ASSET} with an image_size to it."
        )
    return size


def _to_range(pixels: tf.Tensor, dtype: str, value_range: tuple[float, float]) -> tf.Tensor:
    if dtype == "uint8":
        return pixels
    low, high = value_range
    return tf.cast(pixels, tf.float32) / 255.0 * (high - low) + low


def _answer(
    heads: Mapping[str, Head], kinds: frozenset[str], pictures: tf.Tensor
) -> dict[str, tf.Tensor]:
    answers = {}
    for name, head in heads.items():
        value = head.signature.call(pictures)[head.output]
        rows = value if value.shape.rank == 2 else _rows(value)
        answers[FEATURES if name == FEATURES else _classifier(kinds)] = tf.cast(rows, tf.float32)
    return answers


def _rows(value: tf.Tensor) -> tf.Tensor:
    """`value` (N, 1, 1, length) as (N, length)."""
    return tf.reshape(value, [-1, *(length for length in value.shape[1:] if length != 1)])


def _classifier(kinds: frozenset[str]) -> str:
    return LOGITS if LOGITS in kinds else SCORES


def _probe(
    heads: Mapping[str, Head],
    pixels: Any,
    batch: int | None,
    dtype: str,
    value_range: tuple[float, float],
    source: str,
) -> dict[str, Any]:
    """The probe pictures' answers by head, float32 (N, length), the classifier's as "logits"."""
    if batch is not None and len(pixels) < batch:
        pixels = np.resize(pixels, (batch, *pixels.shape[1:]))
    pictures = _to_range(tf.constant(pixels), dtype, value_range)
    try:
        answers = _answer(heads, frozenset({LOGITS}), pictures)
    except (ValueError, TypeError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModuleError(
            f"{source}: fails on pictures of {pixels.shape[1]}x{pixels.shape[2]} ({reason}). "
            "Give an image module."
        ) from error
    return {name: rows.numpy() for name, rows in answers.items()}


def _info(
    size: tuple[int, int],
    value_range: tuple[float, float],
    answers: Mapping[str, Any],
    metadata: Metadata,
    quantops: bool,
    source: str,
) -> ModuleInfo:
    heads = set(answers)
    if LOGITS in answers:
        heads.add(SCORES)
        if are_probabilities(answers[LOGITS]):
            heads.remove(LOGITS)
    class_count = answers[LOGITS].shape[1] if LOGITS in answers else None
    return ModuleInfo(
        image_size=size,
        value_range=value_range,
        heads=frozenset(heads),
        class_count=class_count,
        feature_length=answers[FEATURES].shape[1] if FEATURES in answers else None,
        class_names=None if class_count is None else metadata.class_names(class_count, source),
        quantops=quantops,
        network=metadata.network,
        provenance=metadata.provenance,
    )


def _has_fake_quantisation(graphs: list[Any]) -> bool:
    return any(
        node.op.startswith("FakeQuantWithMinMax")
        for graph in graphs
        for nodes in (
            graph.graph_def.node,
            *(function.node_def for function in graph.graph_def.library.function),
        )
        for node in nodes
    )
