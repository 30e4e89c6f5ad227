"""Train a classifier on folders of classes and measure its accuracy."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from imagebeam.mobilenet_v1.architecture import Architecture
from imagebeam.mobilenet_v1.augmentation import Augmentation
from imagebeam.mobilenet_v1.checkpoint import Weights, transfer_weights
from imagebeam.mobilenet_v1.errors import NetworkError
from imagebeam.mobilenet_v1.evaluation import NetworkAccuracy, evaluate
from imagebeam.mobilenet_v1.folders import LabelledFolder, split
from imagebeam.mobilenet_v1.network import Network
from imagebeam.mobilenet_v1.pictures import DecodedPictures, Decoder, decode_all
from imagebeam.mobilenet_v1.quantops import Quantization
from imagebeam.mobilenet_v1.training import TrainingProgress, train
from imagebeam.mobilenet_v1.training_options import EarlyStopping, TrainingOptions
from imagebeam.storage.atomic_files import remove_leftovers, write_file

_EVALUATION_BATCH = 64
_ADAPTING_BATCH = 256
_RUN_FILE = "run.json"


@dataclass(frozen=True)
class TrainingPlan:
    """The settings of a training run.

    Attributes:
        width: width of the network.
        size: side of its input in pixels.
        quantization: the integers of its compiled form.
        epochs: number of times that every picture is shown.
        batch_size: pictures per step.
        held_out: part of every class to test on, in (0, 1).
        learning_rate: peak learning rate of Adam.
        quantise_from: part of the run after which quantisation is simulated.
        freeze_from: part of the run after which the statistics of batch norm are fixed.
        flip: True if a picture and its mirror image belong to the same class.
        balance: True to weigh classes so that all count equally, however many pictures they have.
        patience: epochs without a better accuracy on the held-out pictures after which the float
            phase ends; None for never.
        seed: determines the split, the initial weights, the order and the views.
    """

    width: float = 0.5
    size: int = 160
    quantization: Quantization = "uint8"
    epochs: int = 30
    batch_size: int = 32
    held_out: float = 0.2
    learning_rate: float = 0.01
    quantise_from: float = 0.6
    freeze_from: float = 0.8
    flip: bool = True
    balance: bool = False
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("epochs", self.epochs), ("batch size", self.batch_size)):
            if value < 1:
                raise NetworkError(f"{name} {value}: must be at least 1.")
        if self.patience is not None and self.patience < 1:
            raise NetworkError(f"patience {self.patience}: must be at least 1 epoch.")
        self.options(steps=1)  # checks the other settings before the run starts

    def options(
        self, steps: int, class_weights: tuple[float, ...] | None = None
    ) -> TrainingOptions:
        """Return the options of a run of `steps` batches."""
        return TrainingOptions(
            steps,
            learning_rate=self.learning_rate,
            quantise_from=self.quantise_from,
            freeze_from=self.freeze_from,
            augmentation=Augmentation(flip=self.flip),
            class_weights=class_weights,
            seed=self.seed,
        )


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained network and its evaluation.

    Attributes:
        network: ready to export.
        classes: their names, in the order of the logits.
        accuracy: on the held-out pictures.
        held_out: those pictures, uint8 (N, size, size, 3).
        learnt: the files of the training pictures.
        skipped: pictures that could not be decoded, each as "path: reason".
    """

    network: Network
    classes: tuple[str, ...]
    accuracy: NetworkAccuracy
    held_out: DecodedPictures
    learnt: tuple[Path, ...]
    skipped: tuple[str, ...]


def train_from_folder(
    folder: LabelledFolder,
    plan: TrainingPlan,
    decode: Decoder,
    state: Path,
    *,
    weights: Weights | None = None,
    weights_name: str | None = None,
    report: Callable[[TrainingProgress], None] = lambda progress: None,
) -> Classifier:
    """Train on the pictures of a folder of classes and test on a held-out part.

    Training pictures are decoded somewhat larger than the input of the network, so that crops of
    them are sharp; held-out pictures are decoded at its exact size.

    Args:
        folder: at least two pictures of each of two classes.
        plan: the settings of the run.
        decode: decodes a file to pixels in the same way as the later use of the classifier.
        state: folder of the run; a killed run with the same arguments continues from there.
        weights: initial weights instead of random ones; see `transfer_weights`.
        weights_name: the origin of `weights`.
        report: called every few steps.

    Raises:
        NetworkError: the pictures, plan, weights or state cannot be used.
    """
    learnt, tested = split(folder.samples, plan.held_out, plan.seed)
    network = Network(
        Architecture(plan.width, plan.size, len(folder.classes)),
        seed=plan.seed,
        quantization=plan.quantization,
    )
    if weights is not None:
        transfer_weights(network, weights)
    settings = {"classes": folder.classes, "pictures": len(folder.samples), "from": weights_name}
    claim(state, {**asdict(plan), **settings})
    # At this side, the smallest crop has about as many pixels as the input.
    roomy = math.ceil(plan.size / math.sqrt(Augmentation().smallest_area))
    pictures = decode_all(learnt, decode, roomy, state)
    held_out = decode_all(tested, decode, plan.size, state)
    if weights is not None:
        _adapt(network, pictures, plan)
    epoch = pictures.steps_per_epoch(plan.batch_size)
    options = plan.options(plan.epochs * epoch, _class_weights(pictures) if plan.balance else None)
    batches = pictures.batches(plan.batch_size, plan.seed)
    tests = held_out.in_order(_EVALUATION_BATCH)
    stopping = plan.patience and EarlyStopping(
        lambda: evaluate(network, tests).float_share, epoch, plan.patience
    )
    train(network, batches, options, state=state, stopping=stopping or None, report=report)
    return Classifier(
        network,
        folder.classes,
        evaluate(network, tests),
        held_out,
        learnt=pictures.files,
        skipped=pictures.skipped + held_out.skipped,
    )


def _class_weights(pictures: DecodedPictures) -> tuple[float, ...]:
    counts = np.bincount(pictures.classes)
    return tuple((len(pictures.classes) / (len(counts) * counts)).tolist())


def _adapt(network: Network, pictures: DecodedPictures, plan: TrainingPlan) -> None:
    pixels, _ = next(iter(pictures.batches(_ADAPTING_BATCH, plan.seed)(0)))
    views = plan.options(steps=1).augmentation.view(pixels, plan.size, tf.constant([plan.seed, 0]))
    network.adopt_statistics(views)


def claim(state: Path, settings: Mapping[str, Any]) -> None:
    """Make `state` the folder of the run with these `settings`, or check that it already is.

    Args:
        state: the folder; it is made if it does not exist.
        settings: JSON values that determine the result of the run.

    Raises:
        NetworkError: the folder belongs to a run with other settings, or is another folder.
    """
    file = state / _RUN_FILE
    wanted = json.loads(json.dumps(settings))
    state.mkdir(parents=True, exist_ok=True)
    remove_leftovers(file)
    if not any(state.iterdir()):
        write_file(file, (json.dumps(wanted, indent=2, sort_keys=True) + "\n").encode())
        return
    # A run of an earlier version lacks the settings that are newer. It had what is the default now.
    defaults = {key: value for key, value in asdict(TrainingPlan()).items() if key in wanted}
    begun = defaults | _read_run(file)
    changed = sorted(key for key in begun.keys() | wanted if begun.get(key) != wanted.get(key))
    if changed:
        differences = ", ".join(
            f"{key} was {begun.get(key)} and is {wanted.get(key)}" for key in changed
        )
        raise NetworkError(
            f"{state}: holds a run with other settings: {differences}. "
            "Repeat its options to continue it, or remove the folder to start again."
        )


def _read_run(file: Path) -> dict[str, Any]:
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NetworkError(
            f"{file.parent}: not the folder of a training run: {error}. Remove it or give another."
        ) from error
    if not isinstance(settings, dict):
        raise NetworkError(f"{file}: not the description of a run. Remove its folder.")
    return settings
