"""Measures what a wrong input range costs: three networks trained on drawings, and their accuracy.

python -m benchmarks.input_ranges

Each network is trained in seconds on pictures in another range. A column gives its accuracy on 360
other drawings if 0 to 1 is taken, as versions before the search for the range did; the next, with
the range that is found, or that `module evaluate` names from 12 of the drawings.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from benchmarks.sample_data import drawings
from imagebeam.modules.engines import load_engine
from imagebeam.modules.input_ranges import ASSUMED, CANDIDATES, HUB_RANGE, text_of
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.open_module import open_module

_SIZE, _CLASSES, _TRAINING, _TEST, _LABELLED, _EPOCHS = 48, 6, 2400, 360, 12, 30

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def _drawn(count: int, seed: int) -> tuple[Pixels, Labels]:
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % _CLASSES
    pixels = [drawings.draw(int(label), generator, _SIZE, _SIZE) for label in labels]
    return np.stack(pixels), labels


def _network(front: Callable[[Any], Any]) -> Any:
    """Make a network whose first operations are `front`."""
    keras = tf.keras
    keras.utils.set_random_seed(1)
    given = keras.Input((_SIZE, _SIZE, 3))
    values = front(given)
    for filters in (16, 32, 64):
        values = keras.layers.Conv2D(filters, 3, 2, "same", use_bias=False)(values)
        values = keras.layers.BatchNormalization()(values)
        values = keras.layers.ReLU()(values)
    values = keras.layers.GlobalAveragePooling2D()(values)
    scores = keras.layers.Dense(_CLASSES, "softmax")(values)
    model = keras.Model(given, scores)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def _accuracy(path: Path, options: ModuleOptions, pixels: Pixels, labels: Labels) -> float:
    module = open_module(str(path), options=options)
    scores = load_engine(module.engine, module.path, module.info).run(pixels).scores
    assert scores is not None
    return float((scores.argmax(axis=1) == labels).mean())


def main() -> None:
    """Train the networks and print the table."""
    pixels, labels = _drawn(_TRAINING, 1)
    test, truth = _drawn(_TEST, 2)
    kinds: dict[str, tuple[Callable[[Any], Any], tuple[float, float], bool]] = {
        "SavedModel, rescaling inside": (tf.keras.layers.Rescaling(1 / 255), (0, 255), False),
        "flatbuffer, rescaling inside": (
            tf.keras.layers.Rescaling(1 / 127.5, -1),
            (0, 255),
            True,
        ),
        "flatbuffer for -1 to 1": (lambda given: given, (-1, 1), True),
    }
    print(f"{'module':30} {'0 to 1 taken':>14} {'now':>8}  range")
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, (front, (low, high), flat)) in enumerate(kinds.items()):
            inputs = (pixels / 255 * (high - low) + low).astype(np.float32)
            model = _network(front)
            model.fit(inputs, labels, 32, _EPOCHS, verbose=0)
            path = Path(folder) / str(number)
            model.export(str(path), verbose=False)
            if flat:
                path = path.with_suffix(".tflite")
                source = str(path.with_suffix(""))
                path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(source).convert())
            before = _accuracy(path, ModuleOptions(value_range=HUB_RANGE), test, truth)
            info, options = open_module(str(path)).info, NO_OPTIONS
            how = info.range_origin
            if how == ASSUMED:
                few = slice(0, _LABELLED)
                trials = [ModuleOptions(value_range=each) for each in CANDIDATES]
                options = max(trials, key=lambda each: _accuracy(path, each, test[few], truth[few]))
                how = f"named from {_LABELLED} drawings"
            after = _accuracy(path, options, test, truth)
            shown = text_of(options.ranges or info.input_ranges)
            print(f"{name:30} {before:>14.1%} {after:>8.1%}  {shown} ({how})")


if __name__ == "__main__":
    main()
