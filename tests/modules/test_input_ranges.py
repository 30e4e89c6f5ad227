"""Test networks with different input ranges, colours and outputs against independent runs."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from imagebeam.modules.engines import load_engine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.open_module import open_module
from imagebeam.modules.types import Module

_SIZE = 16
_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_STD = np.array([58.395, 57.12, 57.375], np.float32)

Front = Callable[[tf.Tensor], tf.Tensor]

_FRONTS: dict[str, tuple[Front, tuple[float, float]]] = {
    "divided": (lambda x: x / 255.0, (0.0, 255.0)),
    "rescaled": (lambda x: x * (1 / 127.5) - 1.0, (0.0, 255.0)),
    "doubled": (lambda x: x * 2.0 - 1.0, (0.0, 1.0)),
    "normalised": (lambda x: (x - _MEAN) / _STD, (0.0, 255.0)),
}


class _Network(tf.Module):
    """A front, followed by a convolution, pooling and a dense layer."""

    def __init__(self, front: Front, end: Front, classes: int = 3) -> None:
        super().__init__()
        generator = np.random.default_rng(3)
        self._front, self._end = front, end
        self._kernel = tf.constant(generator.normal(0, 0.5, (3, 3, 3, 6)), tf.float32)
        self._dense = tf.constant(generator.normal(0, 1.5, (6, classes)), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, _SIZE, _SIZE, 3], tf.float32, "pictures")])
    def __call__(self, pictures: tf.Tensor) -> tf.Tensor:
        values = tf.nn.relu6(tf.nn.conv2d(self._front(pictures), self._kernel, 2, "SAME"))
        return self._end(tf.reduce_mean(values, [1, 2]) @ self._dense)


def _flatbuffer(path: Path, network: _Network) -> Path:
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [network.__call__.get_concrete_function()], network
    )
    path.write_bytes(converter.convert())
    return path


def _saved_model(path: Path, network: _Network) -> Path:
    tf.saved_model.save(network, str(path), {"serving_default": network.__call__})
    return path


def _pictures() -> npt.NDArray[np.uint8]:
    generator = np.random.default_rng(1)
    return generator.integers(0, 256, (5, _SIZE, _SIZE, 3)).astype(np.uint8)


def _scaled(low: float, high: float) -> npt.NDArray[np.float32]:
    return (_pictures() / 255 * (high - low) + low).astype(np.float32)


def _run_alone(path: Path, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Run a flatbuffer directly with LiteRT."""
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    [entry] = interpreter.get_input_details()
    interpreter.resize_tensor_input(entry["index"], inputs.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], inputs)
    interpreter.invoke()
    rows: npt.NDArray[np.float32] = interpreter.get_tensor(
        interpreter.get_output_details()[0]["index"]
    )
    return rows


def _outputs(module: Module) -> ModelOutputs:
    return load_engine(module.engine, module.path, module.info).run(_pictures())


def _logits(module: Module) -> npt.NDArray[np.float32]:
    logits = _outputs(module).logits
    assert logits is not None
    return logits


# The converter moves a division into the weights of the convolution, where nothing shows it.
@pytest.mark.parametrize("name", sorted({*_FRONTS} - {"divided"}))
def test_the_range_is_found_in_the_graph(tmp_path: Path, name: str) -> None:
    front, (low, high) = _FRONTS[name]
    path = _flatbuffer(tmp_path / "module.tflite", _Network(front, tf.identity))
    module = open_module(str(path))
    assert (module.info.value_range, module.info.range_origin) == (
        (low, high),
        "found in the graph",
    )
    assert module.notes == ()
    inputs = _scaled(low, high)
    np.testing.assert_allclose(_logits(module), _run_alone(path, inputs), rtol=0, atol=1e-4)


def _scores(module: Module) -> npt.NDArray[np.float32]:
    scores = _outputs(module).scores
    assert scores is not None
    return scores


def test_an_unknown_range_is_assumed_and_reported(tmp_path: Path) -> None:
    path = _flatbuffer(tmp_path / "module.tflite", _Network(tf.identity, tf.identity))
    module = open_module(str(path))
    assert (module.info.value_range, module.info.range_origin) == ((0.0, 1.0), "assumed")
    [note] = module.notes
    assert note.startswith("nothing states the input range of the module; 0 to 1 is assumed")
    assert "--input-range LOW HIGH" in note


def test_a_given_range_takes_precedence(tmp_path: Path) -> None:
    network = _Network(tf.identity, tf.identity)
    path = _flatbuffer(tmp_path / "module.tflite", network)
    module = open_module(str(path), options=ModuleOptions(value_range=(-1.0, 1.0)))
    assert (module.info.value_range, module.notes) == ((-1.0, 1.0), ())
    inputs = _pictures().astype(np.float32) / 127.5 - 1
    np.testing.assert_allclose(_logits(module), network(inputs).numpy(), rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["litert", "tensorflow"])
def test_mean_std_and_colours_can_be_given(tmp_path: Path, engine: str) -> None:
    network = _Network(tf.identity, tf.identity)
    path = _saved_model(tmp_path / "module", network)
    options = ModuleOptions(mean=tuple(_MEAN.tolist()), std=tuple(_STD.tolist()), channels="bgr")
    module = open_module(str(path), engine, tmp_path / "cache", options=options)
    assert module.info.channels == "bgr"
    inputs = (_pictures()[..., ::-1].astype(np.float32) - _MEAN) / _STD
    np.testing.assert_allclose(_logits(module), network(inputs).numpy(), rtol=0, atol=1e-3)


def test_the_range_of_a_family_is_known_by_its_variable_names(tmp_path: Path) -> None:
    def named(values: tf.Tensor) -> tf.Tensor:
        with tf.name_scope("MobilenetV1"):
            return tf.nn.relu(values, name="Conv2d_0")

    path = _flatbuffer(tmp_path / "module.tflite", _Network(named, tf.identity))
    module = open_module(str(path))
    assert module.info.value_range == (-1.0, 1.0)
    assert module.info.range_origin == "the convention of its family"


def test_a_softmax_gains_logits_and_features(tmp_path: Path) -> None:
    network = _Network(_FRONTS["rescaled"][0], tf.nn.softmax)
    path = _flatbuffer(tmp_path / "module.tflite", network)
    module = open_module(str(path))
    assert module.info.heads == {"logits", "scores", "features"}
    assert (module.info.feature_length, module.info.independent) == (6, False)
    expected = _run_alone(path, _pictures().astype(np.float32))
    np.testing.assert_array_equal(_scores(module), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"value_range": (1.0, -1.0)}, "input range 1 to -1: must rise"),
        ({"value_range": (0.0, 1.0), "mean": (1.0,)}, "give one of the two"),
        ({"mean": (127.5,)}, "only one is given"),
        ({"mean": (1.0, 2.0), "std": (1.0,)}, "--mean: 2 numbers"),
        ({"mean": (127.5,), "std": (0.0,)}, "--std 0.0: must be above 0"),
        ({"mean": (0.485, 0.456, 0.406), "std": (0.229,)}, "Multiply mean and std by 255"),
        ({"value_range": (-math.inf, 1.0)}, "--input-range -inf 1: pixels become -inf to 1, wh"),
        ({"mean": (math.nan,), "std": (1.0,)}, "--mean nan --std 1: pixels become nan to nan"),
        ({"mean": (1.7e308,), "std": (5e-324,)}, "pixels become -inf to -inf"),
        ({"channels": "grb"}, "channels 'grb': must be rgb or bgr"),
    ],
)
def test_invalid_statements_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModuleError) as refused:
        ModuleOptions(**options)
    assert message in str(refused.value)


def test_an_option_that_contradicts_the_module_wins_and_is_reported(reference: Path) -> None:
    handle = str(reference / "mobilenet_v1_0.25_128_quant.tflite")
    module = open_module(handle, options=ModuleOptions(value_range=(0.0, 1.0)))
    assert (module.info.value_range, module.info.range_origin) == ((0.0, 1.0), "given as an option")
    assert module.notes == (
        "the stated input range 0 to 1 contradicts the module, whose range is -1 to 0.9922 "
        "(stated). 0 to 1 is used.",
    )
    # The bytes stand for -1 to 1, so pixels from 0 to 255 become bytes from 128 to 255.
    pixels = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3)).astype(np.uint8)
    shifted = np.minimum(128 + np.round(pixels / 255 * 128), 255).astype(np.uint8)
    plain = open_module(handle)
    expected = load_engine(plain.engine, plain.path, plain.info).run(shifted)
    found = load_engine(module.engine, module.path, module.info).run(pixels)
    np.testing.assert_array_equal(found.scores, expected.scores)
