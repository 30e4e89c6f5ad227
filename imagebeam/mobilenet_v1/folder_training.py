"""From folders of classes to a trained classifier and its accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from imagebeam.mobilenet_v1.architecture import Architecture
from imagebeam.mobilenet_v1.augmentation import Augmentation
from imagebeam.mobilenet_v1.checkpoint import Weights, transfer_weights
from imagebeam.mobilenet_v1.errors import NetworkError
from imagebeam.mobilenet_v1.evaluation import Accuracy, evaluate
from imagebeam.mobilenet_v1.folders import LabelledFolder, read_folder, split
from imagebeam.mobilenet_v1.network import Network
from imagebeam.mobilenet_v1.pictures import Decoder, Pictures, decode_all
from imagebeam.mobilenet_v1.run_state import claim
from imagebeam.mobilenet_v1.training import Progress, TrainingOptions, train

_EVALUATION_BATCH = 64
_ADAPTING_BATCH = 256


@dataclass(frozen=True)
class Plan:
    """What to learn and how long.

    Attributes:
        width: of the network.
        size: side of its input in pixels.
        epochs: how often every picture is shown.
        batch_size: pictures in a step.
        held_out: part of every class to test on, in (0, 1).
        learning_rate: peak of Adam's.
        quantise_from: part of the run after which quantisation is simulated.
        freeze_from: part of the run after which batch norm's statistics stay.
        flip: whether a picture and its mirror image are of the same class.
        seed: decides the split, the initial weights, the order and the views.
    """

    width: float = 0.5
    size: int = 160
    epochs: int = 30
    batch_size: int = 32
    held_out: float = 0.2
    learning_rate: float = 0.01
    quantise_from: float = 0.6
    freeze_from: float = 0.8
    flip: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("epochs", self.epochs), ("batch size", self.batch_size)):
            if value < 1:
                raise NetworkError(f"{name} {value}: must be at least 1.")
        self.options(steps=1)  # refuses the rest before a run is begun

    def options(self, steps: int) -> TrainingOptions:
        """The options of a run of `steps` batches."""
        return TrainingOptions(
            steps,
            learning_rate=self.learning_rate,
            quantise_from=self.quantise_from,
            freeze_from=self.freeze_from,
            augmentation=Augmentation(flip=self.flip),
            seed=self.seed,
        )


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained network and what is known of it.

    Attributes:
        network: ready to export.
        classes: their names, in the order of the logits.
        accuracy: on the held-out pictures.
        held_out: those pictures, uint8 (N, size, size, 3).
        learnt: number of pictures that it learnt from.
        skipped: pictures that could not be decoded, each as "path: reason".
    """

    network: Network
    classes: tuple[str, ...]
    accuracy: Accuracy
    held_out: Pictures
    learnt: int
    skipped: tuple[str, ...]


def train_from_folder(
    images: Path,
    plan: Plan,
    decode: Decoder,
    state: Path,
    *,
    weights: Weights | None = None,
    weights_name: str | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Classifier:
    """Train on `IMAGES/CLASS/PICTURE` and test on a held-out part.

    Pictures to learn from are decoded somewhat larger than the network's input, so that views of
    a part of them are sharp; held-out ones exactly at its size.

    Args:
        images: folder with a folder for every class.
        plan: what to learn and how long.
        decode: turns a file's bytes into pixels, by the rule that the classifier will be used with.
        state: folder of the run; a killed run with the same arguments goes on from there.
        weights: what to begin with instead of random weights; see `transfer_weights`.
        weights_name: where they are from.
        report: called every few steps.

    Raises:
        NetworkError: folders, plan, weights or state that cannot be used.
    """
    folder = read_folder(images)
    learnt, tested = split(folder.samples, plan.held_out, plan.seed)
    network = Network(Architecture(plan.width, plan.size, len(folder.classes)), seed=plan.seed)
    if weights is not None:
        transfer_weights(network, weights)
    claim(state, _settings(plan, folder, weights_name))
    pictures = decode_all(learnt, decode, _roomy(plan.size), state)
    held_out = decode_all(tested, decode, plan.size, state)
    if weights is not None:
        _adapt(network, pictures, plan)
    steps = plan.epochs * pictures.steps_per_epoch(plan.batch_size)
    batches = pictures.batches(plan.batch_size, plan.seed)
    train(network, batches, plan.options(steps), state=state, report=report)
    return Classifier(
        network,
        folder.classes,
        evaluate(network, held_out.in_order(_EVALUATION_BATCH)),
        held_out,
        learnt=len(pictures.classes),
        skipped=pictures.skipped + held_out.skipped,
    )


def _adapt(network: Network, pictures: Pictures, plan: Plan) -> None:
    pixels, _ = next(iter(pictures.batches(_ADAPTING_BATCH, plan.seed)(0)))
    views = plan.options(steps=1).augmentation.view(pixels, plan.size, tf.constant([plan.seed, 0]))
    network.adopt_statistics(views)


def _settings(plan: Plan, folder: LabelledFolder, weights_name: str | None) -> Mapping[str, Any]:
    return {
        **asdict(plan),
        "classes": folder.classes,
        "pictures": len(folder.samples),
        "from": weights_name,
    }


def _roomy(size: int) -> int:
    """A side at which the smallest view still has about as many pixels as the network reads."""
    return math.ceil(size / math.sqrt(Augmentation().smallest_area))
