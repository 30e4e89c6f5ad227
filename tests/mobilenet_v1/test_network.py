"""Test the network against the original tool chain and Keras's MobileNet."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.mobilenet_v1 import Architecture
from imagebeam.mobilenet_v1.checkpoint import Weights
from imagebeam.mobilenet_v1.network import Network, rescale

LOGIT_STEP = 0.146457


@pytest.fixture(scope="module")
def endpoints(published: Network, golden: dict[str, np.ndarray]) -> dict[str, Any]:
    values = tf.function(published.infer)(tf.constant(golden["pixels"] / 255.0 * 2 - 1, tf.float32))
    return {name: value.numpy() for name, value in values.items()}


def test_first_layer_equals_the_original(
    endpoints: dict[str, Any], golden: dict[str, np.ndarray]
) -> None:
    np.testing.assert_allclose(endpoints["Conv2d_0"][:1], golden["conv2d_0_relu6"], atol=1e-4)


def test_logits_are_within_two_levels_of_the_original(
    endpoints: dict[str, Any], golden: dict[str, np.ndarray]
) -> None:
    levels = np.abs(endpoints["Logits"] - golden["logits"]) / LOGIT_STEP
    assert levels.max() <= 2.001
    assert levels.mean() < 0.5


def test_top_classes_equal_the_original(
    endpoints: dict[str, Any], golden: dict[str, np.ndarray]
) -> None:
    answers = endpoints["Logits"].argmax(axis=1)
    # Logits have 256 levels: two classes can tie for the first place.
    for row, answer in zip(golden["logits"], answers, strict=True):
        assert row[answer] == row.max()


def test_features_are_within_eight_levels_of_the_original(
    endpoints: dict[str, Any], golden: dict[str, np.ndarray]
) -> None:
    features = endpoints["AvgPool_1a"][:, 0, 0]
    np.testing.assert_allclose(features, golden["features"], atol=8 * 6 / 255)
    assert np.abs(features - golden["features"]).mean() < 6 / 255


def test_predictions_are_the_softmax_of_the_logits(endpoints: dict[str, Any]) -> None:
    exponentials = np.exp(endpoints["Logits"])
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(endpoints["Predictions"], expected, rtol=1e-4)


def test_every_single_layer_equals_the_original_graph(
    published: Network, reference: Path, golden: dict[str, np.ndarray]
) -> None:
    """Feeds each layer the input of the original graph, so that rounding does not add up."""
    module = tf.saved_model.load(str(reference / "module"))
    images = tf.constant(golden["pixels"][:2] / 255.0, tf.float32)
    original = module.signatures["image_classification"](images=images)
    outputs = images * 2 - 1
    for layer in published.body:
        expected = original[f"MobilenetV1/{layer.layer.name}"]
        endpoint, _ = layer.infer(outputs, quantised=True)
        np.testing.assert_allclose(endpoint, expected, atol=1e-4, err_msg=layer.layer.name)
        outputs = layer.activation_range.fake_quantise(expected)
    pooled = original["MobilenetV1/AvgPool_1a"]
    logits = published.logits.infer(pooled, quantised=True)[:, 0, 0]
    # A sum between two levels can round to either.
    assert np.abs(logits - original["MobilenetV1/Logits"]).max() < 1.001 * LOGIT_STEP
    assert np.mean(np.abs(logits - original["MobilenetV1/Logits"]) < 1e-4) > 0.999


def test_float_form_equals_the_mobilenet_of_keras(
    published: Network, golden: dict[str, np.ndarray]
) -> None:
    keras = tf.keras.applications.MobileNet(
        (160, 160, 3), 0.5, weights=None, classes=1001, classifier_activation=None
    )
    for layer in published.body:
        name = _keras_name(layer.layer.name)
        keras.get_layer(name).set_weights([layer.weights.numpy()])
        statistics = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        keras.get_layer(f"{name}_bn").set_weights([value.numpy() for value in statistics])
    last = published.logits
    keras.get_layer("conv_preds").set_weights([last.weights.numpy(), last.biases.numpy()])
    inputs = rescale(golden["pixels"])
    logits = published.infer(inputs, quantised=False)["Logits"]
    np.testing.assert_allclose(logits, keras(inputs), atol=2e-3)


def _keras_name(name: str) -> str:
    if name == "Conv2d_0":
        return "conv1"
    _, index, kind = name.split("_")
    return f"conv_{'dw' if kind == 'depthwise' else 'pw'}_{index}"


@pytest.mark.parametrize("width", [0.25, 1.0])
def test_parameter_count_equals_that_of_keras(width: float) -> None:
    keras = tf.keras.applications.MobileNet((128, 128, 3), width, weights=None, classes=1001)
    assert Architecture(width, 128).parameters == keras.count_params()


def test_variables_have_slims_names_and_count(published_weights: Weights) -> None:
    variables = Network(Architecture(0.5, 160)).variables
    expected = {name: value.shape for name, value in published_weights.items()}
    assert {each.name.removesuffix(":0"): tuple(each.shape) for each in variables} == expected
    assert len(variables) == 249
    assert sum(each.trainable for each in variables) == 83


def test_input_is_rounded_only_on_request() -> None:
    # Not pixels, because they are halfway between two levels of the range nearest to [-1, 1].
    inputs = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    plain = Network(Architecture(0.5, 32), seed=3)
    rounding = Network(Architecture(0.5, 32), seed=3, quantise_input=True)
    rounded = np.clip(np.round(inputs * 127.5), -128, 127).astype(np.float32) / 127.5
    first = rounding.infer(inputs)["Conv2d_0"]
    np.testing.assert_allclose(first, plain.infer(rounded)["Conv2d_0"], atol=1e-5)
    assert np.abs(first - plain.infer(inputs)["Conv2d_0"]).max() > 1e-4


def test_seed_decides_the_initial_weights() -> None:
    architecture = Architecture(0.25, 32, 4)
    kernels = [Network(architecture, seed=seed).body[3].weights.numpy() for seed in (1, 1, 2)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_rescaling_spans_minus_one_to_one() -> None:
    assert rescale(tf.constant([0, 255], tf.uint8)).numpy().tolist() == [-1, 1]
