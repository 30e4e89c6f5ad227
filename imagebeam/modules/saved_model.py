"""A SavedModel directory, TF1 Hub format or TF2, as an image module. Needs TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from imagebeam.modules.errors import ModuleError, reason_of
from imagebeam.modules.hub_attachments import default_image_size
from imagebeam.modules.metadata import ASSET, Metadata, parse
from imagebeam.modules.probe_images import are_probabilities, probe_pictures
from imagebeam.modules.saved_model_functions import signatures_of
from imagebeam.modules.saved_model_proto import has_fake_quantisation, inference_tags, read_graphs
from imagebeam.modules.signatures import Head, Spec, check_picture_input, choose_heads
from imagebeam.modules.types import FEATURES, LOGITS, SCORES, FloatArray, ModuleInfo, Pixels

_HUB_RANGE = (0.0, 1.0)
_RAW_RANGE = (0.0, 255.0)

_T = TypeVar("_T")


@dataclass(frozen=True)
class Heads:
    """The functions of a module over one picture input.

    Attributes:
        by_kind: "logits" or "scores", and "features"; those that there are.
        batch: the fixed length of the batch dimension, None when it is free.
        dtype: "float32" or "uint8", of the pictures.
        value_range: what pixel values 0 and 255 are in them.
    """

    by_kind: Mapping[str, Head]
    batch: int | None
    dtype: str
    value_range: tuple[float, float]

    def answer(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        """Each head's answer, float32 (N, length), to pictures of `dtype` and `value_range`."""
        return {
            kind: _rows(head.signature.call(pictures)[head.output])
            for kind, head in self.by_kind.items()
        }

    def answer_pixels(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Each head's answer, float32 (N, length), to pixels uint8 (N, height, width, 3)."""
        if self.dtype == "uint8":
            return self.answer(pixels)
        low, high = self.value_range
        return self.answer(tf.cast(pixels, tf.float32) / 255.0 * (high - low) + low)


@dataclass(frozen=True)
class SavedModel:
    """A SavedModel that was loaded and found to be an image module.

    Attributes:
        loaded: what `tf.saved_model.load` returned; the variables live as long as it does.
    """

    source: str
    info: ModuleInfo
    heads: Heads
    loaded: Any


def load_saved_model(path: Path) -> SavedModel:
    """Load the SavedModel directory `path` and read its interface.

    Whether a classifier ends in logits or in a softmax is decided by its answers to a few probe
    pictures: rows without negative values that sum to one are probabilities.

    Raises:
        ModuleError: not a SavedModel, damaged, or no image module.
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
    except Exception as error:  # what a damaged graph raises is documented nowhere
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
            f"{source}: takes pictures of any size and states no default one. "
            f"Add {ASSET} with an image_size to it."
        )
    return size


def _probe(heads: Heads, size: tuple[int, int], source: str) -> dict[str, FloatArray]:
    pixels: Pixels = probe_pictures(size)
    if heads.batch is not None:
        pixels = np.resize(pixels, (heads.batch, *pixels.shape[1:]))
    try:
        answers = heads.answer_pixels(tf.constant(pixels))
    except (ValueError, TypeError, tf.errors.OpError) as error:
        height, width = size
        raise ModuleError(
            f"{source}: fails on pictures of {height}x{width} ({reason_of(error)}). "
            "Give an image module."
        ) from error
    return {kind: rows.numpy() for kind, rows in answers.items()}


def _rows(value: tf.Tensor) -> tf.Tensor:
    """`value` (N, length), or (N, 1, 1, length), as float32 (N, length)."""
    if value.shape.rank == 2:
        return tf.cast(value, tf.float32)
    lengths = [length for length in (value.shape[1:] if value.shape.rank else ()) if length != 1]
    if len(lengths) != 1:
        raise ValueError(f"it answers {value.shape} and not one vector a picture")
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
