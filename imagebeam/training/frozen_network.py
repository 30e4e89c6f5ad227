"""Train a new head on folders of classes; the network that computes the features stays as it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from imagebeam.evaluation.confusion import Confusion
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.reader import ImageReader
from imagebeam.mobilenet_v1.folders import (
    LabelledFolder,
    LabelledPicture,
    refuse_lost_classes,
    split,
)
from imagebeam.modules import training_pictures
from imagebeam.modules.engines import Engine
from imagebeam.modules.engines.separate import SeparateEngine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.litert.flatbuffer import read_flatbuffer, read_interface
from imagebeam.modules.litert.new_head import with_new_head
from imagebeam.modules.model_outputs import softmax
from imagebeam.modules.output_kinds import FEATURES
from imagebeam.modules.types import LITERT, ONNX, Module, ModuleInfo
from imagebeam.training.linear_head import Examples, class_weights, fit

_CHUNK = 256
_PATIENCE = 20


@dataclass(frozen=True)
class HeadPlan:
    """The settings of a training run.

    Attributes:
        held_out: part of every class for validation, in (0, 1).
        balance: True to weigh classes so that all count equally, however many pictures they have.
        seed: determines the split.
    """

    held_out: float = 0.2
    balance: bool = False
    seed: int = 0


@dataclass(frozen=True, eq=False)
class TrainedHead:
    """A module with a new head, and its results on the validation images.

    Attributes:
        flatbuffer: the content of the new module.
        confusion: on the validation images.
        learnt: number of training pictures.
        skipped: pictures that could not be decoded, each as "path: reason".
    """

    flatbuffer: bytes
    confusion: Confusion
    learnt: int
    skipped: tuple[str, ...]


def require_features(module: Module) -> None:
    """Raise ModuleError if a module has no features for a new head, or does not run on LiteRT."""
    name = repr(module.handle)
    if module.engine == ONNX:
        raise ModuleError(
            f"{name}: an ONNX file, and a new head is written for LiteRT only. Convert it to a "
            "SavedModel first, for example with onnx2tf."
        )
    if module.engine != LITERT:
        raise ModuleError(
            f"{name}: a new head needs LiteRT, which does not run this module: "
            f"{module.engine_reason}. Give another module."
        )
    if FEATURES not in module.info.heads:
        raise ModuleError(
            f"{name}: it provides no features, because no output holds them, and the graph shows "
            "no dense layer that computes its answers from one vector. Give a feature vector "
            "module, or name the output that holds features with --module-output NAME=features."
        )


def train_head(
    folder: LabelledFolder,
    module: Module,
    plan: HeadPlan,
    reader: ImageReader,
    provenance: Mapping[str, Any],
    advance: Callable[[int, int], object] = lambda done, total: None,
) -> TrainedHead:
    """Compute the features of all pictures once, and fit a linear classifier to them.

    Args:
        folder: at least two pictures of each of two classes.
        module: one that `require_features` accepts.
        plan: the settings of the run.
        reader: decodes pictures for this module.
        advance: called from time to time with the number of pictures done, and of all.

    Raises:
        NetworkError: the pictures or the plan cannot be used.
        ModuleError: the module cannot be run.
    """
    learnt, tested = split(folder.samples, plan.held_out, plan.seed)
    done = 0

    def show(count: int) -> None:
        nonlocal done
        done += count
        advance(done, len(folder.samples))

    with closing(SeparateEngine(module)) as engine:
        known, validated = (
            _features(samples, engine, module.info, reader, show) for samples in (learnt, tested)
        )
    count = len(folder.classes)
    weights = (
        class_weights(known.examples.classes, count) if plan.balance else np.ones(count, np.float32)
    )
    head = fit(known.examples, validated.examples, weights, _PATIENCE)
    names = [str(sample.path) for sample in validated.samples]
    scores = softmax(head.logits(validated.examples.features))
    confusion = Confusion.of(folder.classes, names, validated.examples.classes, scores)
    interface = read_interface(
        read_flatbuffer(module.path), repr(module.handle), module.info.options
    )
    results = {
        "training": {"from": module.handle, "from_digest": module.digest, **vars(plan)},
        "pictures_learnt": len(known.samples),
        "pictures_held_out": confusion.images,
        "accuracy": confusion.correct / confusion.images,
    }
    flatbuffer = with_new_head(
        interface, head.weights, head.bias, folder.classes, {**provenance, **results}
    )
    digests = (training_pictures.digest(sample.path.read_bytes()) for sample in known.samples)
    return TrainedHead(
        training_pictures.append_to_flatbuffer(flatbuffer, training_pictures.content(digests)),
        confusion,
        len(known.samples),
        known.skipped + validated.skipped,
    )


@dataclass(frozen=True, eq=False)
class _Known:
    samples: tuple[LabelledPicture, ...]
    examples: Examples
    skipped: tuple[str, ...]


def _features(
    samples: Sequence[LabelledPicture],
    engine: Engine,
    info: ModuleInfo,
    reader: ImageReader,
    advance: Callable[[int], object],
) -> _Known:
    used: list[LabelledPicture] = []
    skipped: list[str] = []
    vectors = [np.empty((0, info.length(FEATURES)), np.float32)]
    for chunk in _chunks(samples):
        reading = reader.read([ImageLocation(str(sample.path)) for sample in chunk])
        rows = []
        for row, (sample, outcome) in enumerate(zip(chunk, reading.outcomes, strict=True)):
            if isinstance(outcome, ImageError):
                skipped.append(f"{sample.path}: {outcome.code}: {outcome}")
            else:
                rows.append(row)
                used.append(sample)
        features = engine.run(reading.pixels[rows]).features
        assert features is not None
        vectors.append(features)
        advance(len(chunk))
    labels = [sample.label for sample in used]
    refuse_lost_classes(samples, labels, skipped)
    examples = Examples(np.concatenate(vectors), np.array(labels, np.intp))
    return _Known(tuple(used), examples, tuple(skipped))


def _chunks(samples: Sequence[LabelledPicture]) -> Iterator[Sequence[LabelledPicture]]:
    for start in range(0, len(samples), _CHUNK):
        yield samples[start : start + _CHUNK]
