"""Test the int8 form on the published weights, whose ranges are then one per output channel."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from imagebeam.mobilenet_v1 import Architecture
from imagebeam.mobilenet_v1.checkpoint import read_checkpoint, transfer_weights
from imagebeam.mobilenet_v1.export import export_module
from imagebeam.mobilenet_v1.network import Network
from imagebeam.modules.engines.litert import LiteRTEngine
from imagebeam.modules.inspection import count_costs
from imagebeam.modules.litert.flatbuffer import read_interface
from imagebeam.modules.litert.new_head import with_new_head
from imagebeam.modules.tensorflow.compile import compile_saved_model
from imagebeam.modules.tensorflow.saved_model import load_saved_model
from tests.mobilenet_v1.conftest import CHECKPOINT

_LOGIT_STEP = 0.146457
_FEATURE_STEP = 6 / 255


@dataclass(frozen=True)
class _Signed:
    network: Network
    flatbuffer: bytes
    pixels: np.ndarray


@pytest.fixture(scope="module")
def signed(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> _Signed:
    weights = read_checkpoint(reference / CHECKPOINT)
    network = Network(Architecture(0.5, 160), quantization="int8")
    transfer_weights(network, weights)
    for layer in network.body:
        layer.weight_range.observe(layer.fold()[0])
    network.logits.weight_range.observe(network.logits.weights)
    for variable in network.variables:
        if "act_quant/" in variable.name:
            variable.assign(weights[variable.name.removesuffix(":0")])
    folder = tmp_path_factory.mktemp("int8") / "module"
    export_module(network, folder)
    pixels = np.load(reference / "golden.npz")["pixels"]
    return _Signed(network, compile_saved_model(load_saved_model(folder)), pixels)


def test_every_tensor_is_signed_and_any_batch_is_taken(signed: _Signed) -> None:
    costs = count_costs(signed.flatbuffer)
    assert set(costs.dtypes) == {"int8", "int32"}
    assert costs.operations == {
        "CONV_2D": 15,
        "DEPTHWISE_CONV_2D": 13,
        "AVERAGE_POOL_2D": 1,
        "RESHAPE": 2,
    }
    interface = read_interface(signed.flatbuffer, "it")
    assert (interface.batch, interface.info.quantops) == (None, True)
    # Pixel p is p - 128 there, so that it has the same real value as in the uint8 form.
    assert interface.input.dtype == np.int8
    assert (interface.input.scale, interface.input.zero_point) == (1 / 128, 0)
    assert (interface.outputs["features"].zero_point, interface.info.takes_bytes) == (-128, True)


def test_weights_are_rounded_in_the_step_of_their_channel(signed: _Signed) -> None:
    interpreter = Interpreter(model_content=signed.flatbuffer)
    interpreter.allocate_tensors()
    found = {
        each["name"].split("MobilenetV1/")[1].split("/")[0]: each
        for each in interpreter.get_tensor_details()
        if "FakeQuantWithMinMaxVarsPerChannel" in each["name"] and each["dtype"] == np.int8
    }
    assert len(found) == 28
    network = signed.network
    kernels = {each.layer.name: (each.layer, each.fold()[0].numpy()) for each in network.body}
    kernels["Logits"] = (network.logits.layer, network.logits.weights.numpy())
    for name, (layer, kernel) in kernels.items():
        # LiteRT keeps channels first, but for depthwise kernels.
        depthwise = layer.kind == "depthwise"
        kernel = kernel.transpose(3, 0, 1, 2)
        axis, others = (3, (0, 1, 2)) if depthwise else (0, (1, 2, 3))
        largest = np.maximum(np.abs(kernel).max(axis=others, keepdims=True), 1e-3)
        quantisation = found[name]["quantization_parameters"]
        assert quantisation["quantized_dimension"] == axis, name
        assert not quantisation["zero_points"].any()
        np.testing.assert_allclose(quantisation["scales"], largest.ravel() / 127, rtol=1e-6)
        steps = kernel / (largest / 127)
        weights = interpreter.get_tensor(found[name]["index"])
        assert np.abs(weights - steps).max() <= 0.5001, name
        assert np.abs(weights).max() == 127, name


# LiteRT warns that keeping all tensors takes memory.
@pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors:UserWarning")
def test_every_layer_has_the_levels_of_the_fake_quantisation(signed: _Signed) -> None:
    """Feeds each layer of the network the input of that layer of the flatbuffer."""
    interpreter = Interpreter(
        model_content=signed.flatbuffer, num_threads=1, experimental_preserve_all_tensors=True
    )
    [picture] = interpreter.get_input_details()
    interpreter.resize_tensor_input(picture["index"], (2, 160, 160, 3))
    interpreter.allocate_tensors()
    interpreter.set_tensor(picture["index"], (signed.pixels[:2] ^ 128).view(np.int8))
    interpreter.invoke()
    details = {each["index"]: each for each in interpreter.get_tensor_details()}

    def values(index: int) -> tuple[np.ndarray, float]:
        scale, zero_point = details[index]["quantization"]
        return (interpreter.get_tensor(index).astype(np.float32) - zero_point) * scale, scale

    graph = schema.Model.GetRootAs(signed.flatbuffer, 0).Subgraphs(0)
    operators = [graph.Operators(number) for number in range(graph.OperatorsLength())]
    convolutions = [each for each in operators if each.InputsLength() == 3]
    *body, last = convolutions
    for operator, layer in zip(body, signed.network.body, strict=True):
        (inputs, _), (found, step) = values(operator.Inputs(0)), values(operator.Outputs(0))
        _, expected = layer.infer(tf.constant(inputs), quantised=True)
        _assert_same_levels(found, expected, step)
    (inputs, _), (found, step) = values(last.Inputs(0)), values(last.Outputs(0))
    expected = signed.network.logits.infer(tf.constant(inputs), quantised=True)
    _assert_same_levels(found, expected, step)


def _assert_same_levels(found: np.ndarray, expected: tf.Tensor, step: float) -> None:
    """Check that the levels are equal, except where a sum lies between two of them."""
    distance = np.abs(found - expected.numpy()) / step
    assert distance.max() <= 1.001
    assert (distance < 0.01).mean() > 0.99


def test_the_answers_are_those_of_the_fake_quantisation(signed: _Signed) -> None:
    """Run the kernels that a job uses, which may round otherwise than those of the test above."""
    found = LiteRTEngine(signed.flatbuffer, "it").run(signed.pixels)
    assert found.logits is not None
    assert found.features is not None
    inputs = tf.constant((signed.pixels.astype(np.float32) - 128) / 128)
    expected = tf.function(signed.network.infer)(inputs)
    logits, features = expected["Logits"].numpy(), expected["AvgPool_1a"].numpy()[:, 0, 0]
    assert np.abs(found.logits - logits).max() <= 4.01 * _LOGIT_STEP
    assert np.abs(found.logits - logits).mean() < _LOGIT_STEP
    # The features are averages of 25 activations, which differ by some steps.
    assert np.abs(found.features - features).max() <= 16 * _FEATURE_STEP
    assert np.abs(found.features - features).mean() < 2 * _FEATURE_STEP
    chosen = np.take_along_axis(logits, found.logits.argmax(axis=1)[:, None], 1)[:, 0]
    assert (logits.max(axis=1) - chosen).max() <= 1.001 * _LOGIT_STEP


def test_a_new_head_on_signed_features(signed: _Signed) -> None:
    interface = read_interface(signed.flatbuffer, "it")
    weights = np.random.default_rng(0).normal(size=(3, 512)).astype(np.float32)
    bias = np.array([1, 0, -1], np.float32)
    changed = with_new_head(interface, weights, bias, ("a", "b", "c"), {})
    before, after = (
        LiteRTEngine(each, "it").run(signed.pixels) for each in (signed.flatbuffer, changed)
    )
    assert before.features is not None
    assert after.features is not None
    assert after.logits is not None
    np.testing.assert_array_equal(after.features, before.features)
    np.testing.assert_allclose(after.logits, before.features @ weights.T + bias, atol=1e-3)
    assert read_interface(changed, "it").info.quantops
