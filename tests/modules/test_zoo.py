"""Test that networks of every kind get the answers of a direct run of the same file."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from PIL import Image

from tests.beam_pipeline.jobs import imagebeam, predictions
from tests.modules import zoo
from tests.modules.zoo import CLASSES, MEAN, SIZE, STD, Array, logits, pictures

RAW, UNIT, SYMMETRIC = (0.0, 255.0), (0.0, 1.0), (-1.0, 1.0)
ASSUMED = "nothing states the input range of the module"
CAFFE = np.array([103.939, 116.779, 123.68], np.float32)


def _scaled(low: float, high: float) -> Array:
    return (pictures() / 255 * (high - low) + low).astype(np.float32)


def _inside_raw(images: tf.Tensor) -> tf.Tensor:
    return zoo.logits(tf.cast(images, tf.float32) * (1 / 127.5) - 1.0)


def _two_heads(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"age": logits(images), "mood": tf.nn.softmax(logits(-images))}


def _logits_and_scores(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"logits": logits(images), "probabilities": tf.nn.softmax(logits(images))}


def _classes_and_scores(images: tf.Tensor) -> dict[str, tf.Tensor]:
    scores = tf.nn.softmax(logits(images))
    return {"class_ids": tf.argmax(scores, 1), "probabilities": scores}


def _sigmoids(images: tf.Tensor) -> tf.Tensor:
    return tf.sigmoid(logits(images))


def _softmax(rows: Array) -> Array:
    exponentials = np.exp(rows - rows.max(axis=1, keepdims=True))
    scores: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return scores


@dataclass(frozen=True)
class Case:
    """A network.

    Attributes:
        make: writes it.
        expected: what a direct run of the file gives: scores, or features.
        options: for the command.
        emit: what the command writes.
        assumed: the input range if it is assumed.
        tolerance: the largest difference; the steps of 8 bits are 1/256.
    """

    make: Callable[[Path], Path]
    expected: Callable[[Path], Array]
    options: tuple[str, ...] = ()
    emit: str = "labels"
    assumed: str | None = None
    tolerance: float = 1e-4
    scores: str = "softmax"


def _flatbuffer(function: zoo.Function, **settings: Any) -> Callable[[Path], Path]:
    return lambda path: zoo.flatbuffer(path.with_suffix(".tflite"), function, **settings)


def _run(
    low: float, high: float, end: Callable[[Array], Array] = _softmax
) -> Callable[[Path], Array]:
    return lambda path: end(zoo.run_flatbuffer(path, _scaled(low, high)))


def _same(rows: Array) -> Array:
    return rows


def _two(rows: Array) -> Array:
    return np.hstack([1 - rows, rows])


def _normalised(path: Path) -> Array:
    return _softmax(zoo.run_flatbuffer(path, (pictures() - MEAN) / STD))


def _bgr(path: Path) -> Array:
    return _softmax(zoo.run_flatbuffer(path, _scaled(*RAW)[..., ::-1] - np.float32(110)))


_ANY = tf.TensorSpec([None, None, None, 3], tf.float32, "pictures")
_INPUT = "--input-range"


def _two_signatures(path: Path) -> Path:
    functions = {"serving_default": _inside_raw, "negative": lambda x: -_inside_raw(x)}
    named = {name: _named(function) for name, function in functions.items()}
    folder = zoo.saved_model(path, named)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), [*functions])
    path.with_suffix(".tflite").write_bytes(converter.convert())
    return path.with_suffix(".tflite")


def _named(function: zoo.Function) -> zoo.Function:
    return lambda images: {"out": function(images)}


FLATBUFFERS = {
    "float logits": Case(_flatbuffer(logits), _run(*UNIT), assumed="0 to 1"),
    "float softmax": Case(
        _flatbuffer(lambda x: tf.nn.softmax(logits(x))), _run(*UNIT, _same), assumed="0 to 1"
    ),
    "rescaled": Case(_flatbuffer(_inside_raw), _run(*RAW)),
    "range -1 to 1": Case(_flatbuffer(logits), _run(*SYMMETRIC), (_INPUT, "-1", "1")),
    "range 0 to 255": Case(_flatbuffer(logits), _run(*RAW), (_INPUT, "0", "255"), tolerance=1e-3),
    "mean and std": Case(
        _flatbuffer(logits),
        _normalised,
        ("--mean", "123.675,116.28,103.53", "--std", "58.395,57.12,57.375"),
    ),
    "bgr": Case(
        _flatbuffer(lambda x: logits(x / 50.0)),
        _bgr,
        ("--mean", "110", "--std", "1", "--channels", "bgr"),
    ),
    "one sigmoid": Case(
        _flatbuffer(lambda x: tf.sigmoid(logits(x)[:, :1])), _run(*UNIT, _two), assumed="0 to 1"
    ),
    "several sigmoids": Case(
        _flatbuffer(lambda x: tf.sigmoid(logits(x))),
        _run(*UNIT, _same),
        assumed="0 to 1",
        scores="independent",
    ),
    "features": Case(
        _flatbuffer(zoo.features), _run(*UNIT, _same), emit="features", assumed="0 to 1"
    ),
    "embedding": Case(
        _flatbuffer(lambda x: tf.math.l2_normalize(logits(x), axis=1)),
        _run(*UNIT, _same),
        emit="features",
        assumed="0 to 1",
    ),
    "float16": Case(
        _flatbuffer(
            _inside_raw,
            optimizations=[tf.lite.Optimize.DEFAULT],
            target_spec=tf.lite.TargetSpec(supported_types=[tf.float16]),
        ),
        _run(*RAW),
    ),
    "dynamic range": Case(
        _flatbuffer(_inside_raw, optimizations=[tf.lite.Optimize.DEFAULT]), _run(*RAW)
    ),
    "int8 with float input": Case(
        _flatbuffer(logits, **zoo.quantised(*SYMMETRIC, "int8", tf.float32)),
        _run(*SYMMETRIC),
        tolerance=0.02,
    ),
    "int8 softmax with float output": Case(
        _flatbuffer(
            lambda x: tf.nn.softmax(logits(x)), **zoo.quantised(*SYMMETRIC, "int8", tf.float32)
        ),
        _run(*SYMMETRIC, _same),
        tolerance=0.02,
    ),
    "uint8 softmax": Case(
        _flatbuffer(
            lambda x: tf.nn.softmax(_inside_raw(x)), **zoo.quantised(*RAW, "int8", tf.uint8)
        ),
        _run(*RAW, _same),
        tolerance=0.02,
    ),
    "int8": Case(
        _flatbuffer(
            lambda x: tf.nn.softmax(logits(x)), **zoo.quantised(*SYMMETRIC, "int8", tf.int8)
        ),
        _run(*SYMMETRIC, _same),
        tolerance=0.02,
    ),
    "uint8": Case(
        _flatbuffer(_inside_raw, **zoo.quantised(*RAW, "int8", tf.uint8)),
        _run(*RAW),
        tolerance=0.02,
    ),
    "16x8": Case(
        _flatbuffer(_inside_raw, **zoo.quantised(*RAW, "16x8", tf.int16)),
        _run(*RAW),
        tolerance=1e-3,
    ),
    "uint8, calibrated with pale pictures": Case(
        _flatbuffer(
            lambda x: tf.nn.softmax(logits(x)), **zoo.quantised(-0.85, 0.9, "int8", tf.uint8)
        ),
        _run(*SYMMETRIC, _same),
        assumed="-1 to 1",
        tolerance=0.03,
    ),
    "mean of Caffe inside": Case(
        _flatbuffer(lambda x: logits((x - CAFFE) / 60.0)),
        lambda path: _softmax(zoo.run_flatbuffer(path, _scaled(*RAW)[..., ::-1])),
    ),
    "two groups of classes": Case(
        _flatbuffer(
            lambda x: tf.concat([tf.nn.softmax(each) for each in tf.split(_inside_raw(x), 2, 1)], 1)
        ),
        _run(*RAW, _same),
        scores="independent",
    ),
    "planes": Case(
        lambda path: zoo.flatbuffer(
            path.with_suffix(".tflite"),
            lambda x: _inside_raw(tf.transpose(x, [0, 2, 3, 1])),
            tf.TensorSpec([None, 3, SIZE, SIZE], tf.float32, "pictures"),
        ),
        lambda path: _softmax(zoo.run_flatbuffer(path, _scaled(*RAW).transpose(0, 3, 1, 2))),
    ),
    "percentages": Case(
        _flatbuffer(lambda x: tf.nn.softmax(_inside_raw(x)) * 100.0),
        _run(*RAW, lambda rows: rows / 100),
    ),
    "hard sigmoids": Case(
        _flatbuffer(lambda x: tf.nn.relu6(_inside_raw(x) + 3.0) / 6.0),
        _run(*RAW, _same),
        scores="independent",
    ),
    "limited to 1": Case(
        _flatbuffer(lambda x: tf.clip_by_value(_inside_raw(x) * 0.2 + 0.5, 0.0, 1.0)),
        _run(*RAW, _same),
        scores="independent",
    ),
    "one sigmoid without an axis": Case(
        _flatbuffer(lambda x: tf.sigmoid(_inside_raw(x)[:, 0])),
        _run(*RAW, lambda rows: _two(rows[:, np.newaxis])),
    ),
    "halves": Case(
        _flatbuffer(_inside_raw, spec=tf.TensorSpec([None, SIZE, SIZE, 3], tf.float16, "pictures")),
        _run(*RAW),
    ),
    "whole numbers": Case(
        _flatbuffer(_inside_raw, spec=tf.TensorSpec([None, SIZE, SIZE, 3], tf.int32, "pictures")),
        _run(*RAW),
    ),
    "percentages of one sigmoid": Case(
        _flatbuffer(lambda x: tf.sigmoid(_inside_raw(x)[:, :1]) * 100.0),
        _run(*RAW, lambda rows: _two(rows / 100)),
    ),
    "quantised percentages": Case(
        _flatbuffer(
            lambda x: tf.sigmoid(logits(x)) * 100.0, **zoo.quantised(*SYMMETRIC, "int8", tf.uint8)
        ),
        _run(*SYMMETRIC, lambda rows: rows / 100),
        scores="independent",
        tolerance=0.03,
    ),
    "two signatures": Case(
        _two_signatures, lambda path: _softmax(_inside_raw(_scaled(*RAW)).numpy())
    ),
    "another signature": Case(
        _two_signatures,
        lambda path: _softmax(-_inside_raw(_scaled(*RAW)).numpy()),
        ("--signature", "negative"),
    ),
    "any size": Case(
        lambda path: zoo.flatbuffer(path.with_suffix(".tflite"), _inside_raw, _ANY),
        _run(*RAW),
        ("--image-size", str(SIZE)),
    ),
    "two heads": Case(
        _flatbuffer(_two_heads),
        lambda path: _softmax(logits(_scaled(*UNIT)).numpy()),
        ("--module-output", "age=logits"),
        assumed="0 to 1",
    ),
    "logits and probabilities": Case(
        _flatbuffer(_logits_and_scores),
        lambda path: _softmax(logits(_scaled(*UNIT)).numpy()),
        assumed="0 to 1",
    ),
    "classes and probabilities": Case(
        _flatbuffer(
            lambda x: {
                "class_ids": tf.argmax(logits(x), 1),
                "probabilities": tf.nn.softmax(logits(x)),
            }
        ),
        lambda path: _softmax(logits(_scaled(*UNIT)).numpy()),
        assumed="0 to 1",
    ),
}


def _keras_export(path: Path) -> Path:
    """A Keras 3 model with its rescaling inside, as `export` writes it."""
    keras = tf.keras
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(6, 3, 2, "same", activation="relu", use_bias=False),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(CLASSES, activation="softmax", use_bias=False),
        ]
    )
    model.set_weights([zoo.KERNEL, zoo.DENSE])
    model.export(str(path), verbose=False)
    return path


def _keras_features(path: Path) -> Path:
    """A Keras 3 network without its classifier."""
    keras = tf.keras
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 127.5, -1),
            keras.layers.Conv2D(6, 3, 2, "same", activation="relu6", use_bias=False),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    model.set_weights([zoo.KERNEL])
    model.export(str(path), verbose=False)
    return path


def _tf_keras(path: Path) -> Path:
    """A Keras 2 model with several sigmoids, as `save` writes it."""
    import tf_keras

    model = tf_keras.Sequential(
        [
            tf_keras.Input((SIZE, SIZE, 3)),
            tf_keras.layers.Conv2D(6, 3, 2, "same", activation="relu", use_bias=False),
            tf_keras.layers.GlobalAveragePooling2D(),
            tf_keras.layers.Dense(CLASSES, activation="sigmoid", use_bias=False),
        ]
    )
    model.set_weights([zoo.KERNEL, zoo.DENSE])
    model.save(str(path), save_format="tf")
    return path


def _simple_save(path: Path) -> Path:
    """A model of TensorFlow 1 with logits and probabilities, as `simple_save` writes it."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, SIZE, SIZE, 3])
        scale = v1.get_variable("scale", initializer=1 / 255)
        found = _logits_and_scores(images * scale)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(path), {"images": images}, found)
    return path


def _with_strings(path: Path) -> Path:
    """A model whose default function takes encoded images, beside one that takes pixels."""

    def from_bytes(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.map_fn(
            lambda each: tf.ensure_shape(tf.io.decode_png(each, 3), (SIZE, SIZE, 3)),
            encoded,
            fn_output_signature=tf.uint8,
        )
        return {"probabilities": tf.nn.softmax(_inside_raw(images))}

    return zoo.saved_model(
        path,
        {
            "serving_default": from_bytes,
            "predict": lambda images: {"probabilities": tf.nn.softmax(_inside_raw(images))},
        },
        serving_default=tf.TensorSpec([None], tf.string, "image_bytes"),
    )


def _served(low: float, high: float, output: str, end: Callable[[Array], Array] = _same) -> Any:
    """Run a SavedModel directly with TensorFlow."""

    def run(path: Path) -> Array:
        signatures = tf.saved_model.load(str(path)).signatures
        function = signatures["predict" if "predict" in signatures else "serving_default"]
        [name] = function.structured_input_signature[1]
        found = function(**{name: tf.constant(_scaled(low, high))})
        return end(found.get(output, next(iter(found.values()))).numpy())

    return run


def _tf_module(**functions: zoo.Function) -> Callable[[Path], Path]:
    return lambda path: zoo.saved_model(path, functions)


def _typed(dtype: tf.DType) -> Callable[[Path], Path]:
    spec = tf.TensorSpec([None, SIZE, SIZE, 3], dtype, "pictures")
    functions = {"serving_default": lambda x: {"out": tf.nn.softmax(_inside_raw(x))}}
    return lambda path: zoo.saved_model(path, functions, serving_default=spec)


def _run_typed(dtype: tf.DType) -> Callable[[Path], Array]:
    def run(path: Path) -> Array:
        function = tf.saved_model.load(str(path)).signatures["serving_default"]
        scores: Array = function(pictures=tf.constant(pictures(), dtype))["out"].numpy()
        return scores

    return run


def _planes(path: Path) -> Path:
    def groups(images: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = _inside_raw(tf.transpose(images, [0, 2, 3, 1]))
        return {"groups": tf.concat([tf.nn.softmax(each) for each in tf.split(rows, 2, 1)], 1)}

    spec = tf.TensorSpec([None, 3, SIZE, SIZE], tf.float32, "pictures")
    return zoo.saved_model(path, {"serving_default": groups}, serving_default=spec)


def _run_planes(path: Path) -> Array:
    function = tf.saved_model.load(str(path)).signatures["serving_default"]
    planes = tf.constant(_scaled(*RAW).transpose(0, 3, 1, 2))
    scores: Array = function(pictures=planes)["groups"].numpy()
    return scores


SAVED_MODELS = {
    "halves": Case(_typed(tf.float16), _run_typed(tf.float16)),
    "whole numbers": Case(_typed(tf.int32), _run_typed(tf.int32)),
    "long whole numbers": Case(_typed(tf.int64), _run_typed(tf.int64)),
    "doubles": Case(_typed(tf.float64), _run_typed(tf.float64)),
    "hard sigmoids": Case(
        _tf_module(serving_default=lambda x: {"out": tf.nn.relu6(_inside_raw(x) + 3.0) / 6.0}),
        _served(*RAW, "out"),
        scores="independent",
    ),
    "limited to 1, without an axis": Case(
        _tf_module(
            serving_default=lambda x: {"out": tf.clip_by_value(_inside_raw(x)[:, 0], 0.0, 1.0)}
        ),
        _served(*RAW, "out", lambda rows: _two(rows[:, np.newaxis])),
    ),
    "planes, two groups of classes": Case(_planes, _run_planes, scores="independent"),
    "percentages": Case(
        _tf_module(serving_default=lambda x: {"percent": 100.0 * tf.sigmoid(_inside_raw(x))}),
        _served(*RAW, "percent", lambda rows: rows / 100),
        scores="independent",
    ),
    "Keras": Case(_keras_export, _served(*RAW, "output_0")),
    "Keras features": Case(_keras_features, _served(*RAW, "output_0"), emit="features"),
    "tf_keras": Case(_tf_keras, _served(*UNIT, "dense"), assumed="0 to 1", scores="independent"),
    "simple_save": Case(_simple_save, _served(*RAW, "probabilities")),
    "strings": Case(_with_strings, _served(*RAW, "probabilities")),
    "two heads": Case(
        _tf_module(serving_default=_two_heads),
        _served(*SYMMETRIC, "mood"),
        ("--module-output", "mood=scores", "--input-range", "-1", "1"),
    ),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number, pixels in enumerate(pictures()):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def _answers(output: Path, emit: str) -> Array:
    """Return the values of all rows: features, or scores in the order of the classes."""
    rows = predictions(output)
    if emit == "features":
        return np.array([row["features"] for row in rows])
    by_class = [{each["class"]: each["score"] for each in row["top_k"]} for row in rows]
    return np.array([[scores[at] for at in sorted(scores)] for scores in by_class])


def _check(case: Case, handle: Path, engine: str, photos: Path, output: Path) -> None:
    command = ("label", photos, "--output", output, "--module", handle, "--engine", engine)
    options = ("--emit", case.emit, "--resize", "stretch", "--quiet", *case.options)
    assert imagebeam(*command, *options) == 0
    found = _answers(output, case.emit)
    np.testing.assert_allclose(found, case.expected(handle), rtol=0, atol=case.tolerance)
    part = next((output / "predictions").glob("*.parquet"))
    record = json.loads(pq.read_schema(part).metadata[b"imagebeam"])
    assert record.get("scores", "softmax") == case.scores
    warnings = record.get("warnings", [])
    assumed = [each for each in warnings if each.startswith(ASSUMED)]
    assert len(assumed) == (case.assumed is not None)
    assert all(each.startswith(f"{ASSUMED}; {case.assumed} is assumed") for each in assumed)
    summary = json.loads((output / "summary.json").read_text())
    assert summary.get("warnings", []) == warnings


@pytest.mark.slow
@pytest.mark.parametrize("name", FLATBUFFERS)
def test_a_flatbuffer_answers_as_alone(name: str, photos: Path, tmp_path: Path) -> None:
    case = FLATBUFFERS[name]
    _check(case, case.make(tmp_path / "module"), "litert", photos, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["litert", "tensorflow"])
@pytest.mark.parametrize("name", SAVED_MODELS)
def test_a_saved_model_answers_as_alone(
    name: str, engine: str, photos: Path, tmp_path: Path
) -> None:
    case = SAVED_MODELS[name]
    _check(case, case.make(tmp_path / "module"), engine, photos, tmp_path / "out")


@pytest.mark.slow
def test_the_range_that_makes_answers_differ_is_named(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # The converter moves the division into the weights, where nothing shows it.
    path = zoo.flatbuffer(tmp_path / "module.tflite", lambda x: logits(x / 255.0))
    command = ("--module", path, "--labels", tmp_path / "names.txt")
    (tmp_path / "names.txt").write_text("a\nb\nc\nd\n")
    for words, code in (
        (("module", "show", path), 0),
        (("doctor", *command), 1),
        (("label", photos, "--output", tmp_path / "out", *command), 0),
    ):
        assert imagebeam(*words) == code
        captured = capfd.readouterr()
        shown = " ".join((captured.out + captured.err).split())
        assert "gives the same answer to very different pictures" in shown, words
        assert "They differ with --input-range 0 255." in shown
        assert f"{ASSUMED}; 0 to 1 is assumed" in shown
