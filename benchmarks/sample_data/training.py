"""Train the embedded module on drawn pictures and measure its accuracy.

This needs TensorFlow, and a quarter of an hour on two processors.
"""

import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from benchmarks.sample_data.drawings import CLASSES, draw_pool
from imagebeam.mobilenet_v1 import Architecture
from imagebeam.mobilenet_v1.augmentation import Augmentation
from imagebeam.mobilenet_v1.evaluation import evaluate
from imagebeam.mobilenet_v1.export import export_module
from imagebeam.mobilenet_v1.network import Network
from imagebeam.mobilenet_v1.pictures import DecodedPictures
from imagebeam.mobilenet_v1.training import TrainingProgress, train
from imagebeam.mobilenet_v1.training_options import TrainingOptions

WIDTH = 0.25
SIZE = 128
TRAINING_SEED = 20
EVALUATION_SEED = 21
_EVALUATION_PICTURES = 4_800
_EVALUATION_BATCH = 96

Compiler = Callable[[Path, Path], object]
"""A function that compiles a SavedModel to a flatbuffer file."""


@dataclass(frozen=True)
class Recipe:
    """The length of the training and the number of pictures.

    Attributes:
        pictures: drawn once and shown many times, with a random crop and flip each time.
        steps: number of batches.
        batch_size: pictures in a batch.
    """

    pictures: int = 48_000
    steps: int = 4_000
    batch_size: int = 128

    @property
    def options(self) -> TrainingOptions:
        """Return the options of the training."""
        return TrainingOptions(
            self.steps,
            learning_rate=0.005,
            quantise_from=0.75,
            freeze_from=0.88,
            label_smoothing=0.05,
            augmentation=Augmentation(smallest_area=0.7),
            seed=TRAINING_SEED,
        )


def build_module(
    output: Path,
    compiler: Compiler,
    recipe: Recipe = Recipe(),
    report: Callable[[TrainingProgress], None] = lambda progress: None,
) -> dict[str, float]:
    """Train the module on drawn pictures, measure it on fresh ones, and write it.

    Args:
        output: Directory to make; it appears only when it is complete.
        compiler: Makes the flatbuffer that the module contains.
        recipe: The length of the training and the number of pictures.
        report: Called every few steps of the training.

    Returns:
        Accuracies in [0, 1] on freshly drawn pictures, by form: `float`, `fake_quant`, `uint8`.

    Raises:
        NetworkError: `output` exists or cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".training.") as folder:
        work = Path(folder)
        network = Network(Architecture(WIDTH, SIZE, len(CLASSES)), seed=TRAINING_SEED)
        pictures = DecodedPictures(
            *draw_pool(work / "train.npy", recipe.pictures, SIZE, TRAINING_SEED)
        )
        batches = pictures.batches(recipe.batch_size, TRAINING_SEED)
        train(network, batches, recipe.options, report=report)
        accuracies = _measure(network, compiler, work)
    provenance = _provenance(recipe, accuracies)
    export_module(network, output, classes=CLASSES, provenance=provenance, compiler=compiler)
    return accuracies


def _measure(network: Network, compiler: Compiler, work: Path) -> dict[str, float]:
    fresh = DecodedPictures(
        *draw_pool(work / "fresh.npy", _EVALUATION_PICTURES, SIZE, EVALUATION_SEED)
    )
    right = evaluate(network, fresh.in_order(_EVALUATION_BATCH))
    export_module(network, work / "module", classes=CLASSES)
    compiler(work / "module", work / "module.tflite")
    uint8_right = _count_right(work / "module.tflite", fresh)
    return {
        "float": right.float_right / right.count,
        "fake_quant": right.quantised_right / right.count,
        "uint8": uint8_right / right.count,
    }


def _count_right(flatbuffer: Path, pictures: DecodedPictures) -> int:
    """Count the pictures that the compiled network classifies correctly, fed with pixel bytes."""
    interpreter = Interpreter(str(flatbuffer))
    entry = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(entry, (_EVALUATION_BATCH, SIZE, SIZE, 3))
    interpreter.allocate_tensors()
    [logits] = [
        details["index"]
        for details in interpreter.get_output_details()
        if details["shape"][-1] == len(CLASSES)
    ]
    right = 0
    for pixels, classes in pictures.in_order(_EVALUATION_BATCH):
        interpreter.set_tensor(entry, pixels)
        interpreter.invoke()
        right += int(np.sum(interpreter.get_tensor(logits).argmax(axis=1) == classes))
    return right


def _provenance(recipe: Recipe, accuracies: dict[str, float]) -> dict[str, str | int | float]:
    options = recipe.options
    return {
        "made_by": "python -m benchmarks.sample_data",
        "pictures": recipe.pictures,
        "steps": recipe.steps,
        "batch_size": recipe.batch_size,
        "learning_rate": options.learning_rate,
        "quantise_from": options.quantise_from,
        "freeze_from": options.freeze_from,
        "seed": TRAINING_SEED,
        "accuracy_pictures": _EVALUATION_PICTURES,
        "accuracy_seed": EVALUATION_SEED,
        **{f"accuracy_{form}": round(accuracy, 4) for form, accuracy in accuracies.items()},
        "python": platform.python_version(),
        **{name: version(name) for name in ("tensorflow", "ai-edge-litert", "numpy", "pillow")},
    }
