"""Load a SavedModel directory, TF1 Hub format or TF2, as an image module. Needs TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from imagebeam.modules.description import decide_size, describe
from imagebeam.modules.errors import ModuleError, reason_of
from imagebeam.modules.input_ranges import BGR, HUB_RANGE, RGB, Range, decide_input
from imagebeam.modules.metadata import Metadata, read_from_folder
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.output_kinds import LOGITS, SCORES, renamed
from imagebeam.modules.probes import kind_of_classifier, probe_batches
from imagebeam.modules.several_outputs import NOTHING_SEEN, SeenOutputs
from imagebeam.modules.signatures import (
    HUB_SIGNATURES,
    Head,
    Signature,
    Spec,
    check_picture_input,
    choose_heads,
)
from imagebeam.modules.tensorflow.graph_facts import GraphFacts, graph_facts, seen_outputs
from imagebeam.modules.tensorflow.input_facts import input_facts
from imagebeam.modules.tensorflow.loaded_signatures import signatures_of
from imagebeam.modules.tensorflow.saved_model_proto import (
    default_image_size,
    has_fake_quantisation,
    has_operation,
    inference_tags,
    is_hub_module,
    read_graphs,
)
from imagebeam.modules.types import FloatArray, ModuleInfo


@dataclass(frozen=True)
class Heads:
    """The functions of a module over one picture input.

    Attributes:
        by_kind: the heads that the module has: "logits" or "scores", and "features".
        ranges: the values that stand for the pixel values 0 and 255 in them: one pair for all
            channels, or one for each.
        channels: the order of the colours in them, "rgb" or "bgr".
    """

    by_kind: Mapping[str, Head]
    spec: Spec
    ranges: tuple[Range, ...]
    channels: str = RGB

    @property
    def batch(self) -> int | None:
        """Return the fixed length of the batch dimension, None when it is free."""
        return self.spec.shape[0] if self.spec.shape else None

    @property
    def dtype(self) -> str:
        """Return the type of the pictures before they get that of the input."""
        return "float32" if "float" in self.spec.dtype else "uint8"

    def infer(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute each head, float32 (N, length), for pictures of `dtype` and `ranges`.

        Args:
            pictures: (N, height, width, 3).
        """
        if self.spec.is_planes:
            pictures = tf.transpose(pictures, [0, 3, 1, 2])
        pictures = tf.cast(pictures, self.spec.dtype)
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


def load_saved_model(path: Path, options: ModuleOptions = NO_OPTIONS) -> SavedModel:
    """Load the SavedModel directory `path` and read its interface.

    The outputs for a few probe pictures decide if a classifier ends in logits or in a softmax:
    rows without negative values that sum to one are probabilities.

    Raises:
        ModuleError: `path` is not a SavedModel, is damaged, or is not an image module.
    """
    source = repr(str(path))
    graphs = read_graphs(path)
    metadata = read_from_folder(path)
    loaded = _load(path, inference_tags(graphs), source)
    wanted = replace(
        options,
        signature=options.signature or metadata.signature,
        outputs=options.outputs or metadata.kinds,
    )
    by_kind = choose_heads(signatures_of(loaded), source, wanted, _look)
    spec = check_picture_input(by_kind, source)
    size = _image_size(spec, metadata, default_image_size(graphs), options, source)
    heads = Heads(by_kind, spec, (HUB_RANGE,))
    is_hub = is_hub_module(path) or not set(HUB_SIGNATURES.values()).isdisjoint(
        head.signature.name for head in by_kind.values()
    )
    graph = GraphFacts() if is_hub else graph_facts(heads.infer, heads.dtype, heads.batch, size)
    known = input_facts(heads.dtype, metadata, is_hub, graph)
    if heads.dtype == "uint8" and options.ranges is not None:
        raise ModuleError(
            f"{source}: its input takes pixel bytes, so it has no other range. Leave out "
            "--input-range, --mean and --std."
        )
    facts, contradictions = decide_input(known, options.ranges, options.channels)
    heads = replace(heads, ranges=facts.ranges, channels=facts.channels or RGB)
    rows = _probe(heads, size, source)
    if LOGITS in rows and SCORES not in rows and not wanted.outputs:
        named = metadata.class_names(rows[LOGITS].shape[1], source) is not None
        sigmoids = has_operation(graphs, "Sigmoid")
        kind = kind_of_classifier(rows[LOGITS], graph.ends.get(LOGITS), sigmoids, named)
        rows, by_kind = renamed(rows, kind, source), renamed(by_kind, kind, source)
        heads = replace(heads, by_kind=by_kind)
    info = describe(
        *(size, facts, rows, metadata, source),
        rows_with=lambda each: _probe(replace(heads, ranges=(each,)), size, source),
        options=options,
        contradictions=contradictions,
        takes_bytes=heads.dtype == "uint8",
        ends_in=graph.ends.get(SCORES) or graph.ends.get(LOGITS),
        quantops=has_fake_quantisation(graphs),
    )
    lengths = {kind: values.shape[1] for kind, values in rows.items()}
    return SavedModel(source, info, heads, loaded, lengths)


def _look(signature: Signature) -> SeenOutputs:
    """Read from the graph of a signature what its outputs are."""
    spec = next(iter(signature.inputs.values()), None)
    if len(signature.inputs) != 1 or spec is None or not spec.is_picture or spec.shape is None:
        return NOTHING_SEEN

    def infer(pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = signature.call(pictures)
        return {name: outputs[name] for name in signature.outputs}

    return seen_outputs(infer, spec.dtype, spec.shape)


def _load(path: Path, tags: list[str] | None, source: str) -> Any:
    try:
        return tf.saved_model.load(str(path), tags=tags)
    except Exception as error:  # the errors of damaged graphs are not documented
        raise ModuleError(
            f"{source}: TensorFlow {tf.__version__} cannot load it ({reason_of(error)}). "
            "Fetch the module again, or give one for this version."
        ) from error


def _image_size(
    spec: Spec,
    metadata: Metadata,
    attached: tuple[int, int] | None,
    options: ModuleOptions,
    source: str,
) -> tuple[int, int]:
    lengths = spec.shape or (None,) * 4
    height, width = lengths[2:] if spec.is_planes else lengths[1:3]
    fixed = (height, width) if height and width else None
    return decide_size(fixed, metadata.image_size or attached, options.image_size, source)


def _probe(heads: Heads, size: tuple[int, int], source: str) -> dict[str, FloatArray]:
    try:
        batches = probe_batches(size, heads.batch)
        answers = [heads.infer_pixels(tf.constant(pixels)) for pixels in batches]
        rows = {
            kind: np.concatenate([each[kind].numpy() for each in answers]) for kind in heads.by_kind
        }
        count = batches.shape[0] * batches.shape[1]
        for values in rows.values():
            if len(values) != count or not values.size:
                raise ValueError(
                    f"its output for {count} pictures has the shape {list(values.shape)}, not one "
                    "vector per picture"
                )
    except (ValueError, TypeError, tf.errors.OpError) as error:
        height, width = size
        raise ModuleError(
            f"{source}: fails on pictures of {height}x{width} ({reason_of(error)}). "
            "Give an image module."
        ) from error
    return rows


def _rows(value: tf.Tensor) -> tf.Tensor:
    """Reshape `value` (N,), (N, length) or (N, 1, 1, length) to float32 (N, length)."""
    if not isinstance(value, tf.Tensor):
        raise ValueError(f"its output is a {type(value).__name__}, not one vector per picture")
    if value.shape.rank == 1:
        return tf.cast(tf.reshape(value, [-1, 1]), tf.float32)
    if value.shape.rank == 2:
        return tf.cast(value, tf.float32)
    lengths = [length for length in (value.shape[1:] if value.shape.rank else ()) if length != 1]
    if len(lengths) != 1:
        raise ValueError(f"its output has the shape {value.shape}, not one vector per picture")
    return tf.cast(tf.reshape(value, [-1, *lengths]), tf.float32)
