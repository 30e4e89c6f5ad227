"""Test a layer's training forms against the definition of batch norm and its inference form."""

from typing import Literal

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.mobilenet_v1.architecture import Layer
from imagebeam.mobilenet_v1.layers import EPSILON, BatchNormLayer, Phase, Rates

NOW = Rates(statistics=tf.constant(1.0), ranges=tf.constant(1.0))
INPUTS = tf.constant(np.random.default_rng(0).uniform(0, 6, (8, 6, 6, 4)), tf.float32)


def _layer(kind: Literal["convolution", "depthwise"] = "convolution") -> BatchNormLayer:
    """Return a partly trained layer: no value is a default one."""
    kernel, outputs = (3, 4) if kind == "depthwise" else (1, 5)
    layer = BatchNormLayer(Layer("a", kind, kernel, 1, (6, 6, 4), (6, 6, outputs)), (0, 0))
    rng = np.random.default_rng(1)
    for variable, low, high in (
        (layer.gamma, 0.5, 2),
        (layer.beta, -1, 3),
        (layer.moving_mean, -1, 1),
        (layer.moving_variance, 0.1, 1),
    ):
        variable.assign(rng.uniform(low, high, outputs))
    return layer


def _convolved(layer: BatchNormLayer, weights: tf.Tensor) -> np.ndarray:
    if layer.layer.kind == "depthwise":
        return np.asarray(tf.nn.depthwise_conv2d(INPUTS, weights, [1, 1, 1, 1], "SAME"))
    return np.asarray(tf.nn.conv2d(INPUTS, weights, 1, "SAME"))


def _normalised(layer: BatchNormLayer, values: np.ndarray) -> np.ndarray:
    mean, variance = values.mean(axis=(0, 1, 2)), values.var(axis=(0, 1, 2))
    scaled = (values - mean) / np.sqrt(variance + EPSILON) * layer.gamma.numpy()
    return np.asarray(np.clip(scaled + layer.beta.numpy(), 0, 6))


@pytest.mark.parametrize("kind", ["convolution", "depthwise"])
def test_folding_equals_batch_norm_with_moving_statistics(
    kind: Literal["convolution", "depthwise"],
) -> None:
    layer = _layer(kind)
    normalised = tf.nn.batch_normalization(
        _convolved(layer, layer.weights),
        layer.moving_mean,
        layer.moving_variance,
        layer.beta,
        layer.gamma,
        EPSILON,
    )
    endpoint, _ = layer.infer(INPUTS, quantised=False)
    np.testing.assert_allclose(endpoint, np.clip(normalised, 0, 6), atol=1e-5)


def test_float_phase_equals_batch_norm_with_batch_statistics() -> None:
    layer = _layer()
    values = _convolved(layer, layer.weights)
    expected = _normalised(layer, values)
    np.testing.assert_allclose(layer.train(INPUTS, Phase.FLOAT, NOW), expected, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, values.mean(axis=(0, 1, 2)), atol=1e-5)
    variance = values.var(axis=(0, 1, 2), ddof=1)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-4)
    assert float(layer.activation_range.max) == 6.0
    assert float(layer.weight_range.max) == 6.0


@pytest.mark.parametrize("kind", ["convolution", "depthwise"])
def test_quantised_phase_normalises_the_quantised_convolution(
    kind: Literal["convolution", "depthwise"],
) -> None:
    layer = _layer(kind)
    folded, _ = layer.fold()
    layer.weight_range.observe(folded)
    multiplier = layer.gamma.numpy() / np.sqrt(layer.moving_variance.numpy() + EPSILON)
    values = _convolved(layer, layer.weight_range.fake_quantise(folded)) / multiplier
    outputs = _normalised(layer, values)
    trained = layer.train(INPUTS, Phase.QUANTISED, NOW)
    np.testing.assert_allclose(layer.activation_range.max, outputs.max(), rtol=1e-5)
    np.testing.assert_allclose(trained, outputs, atol=0.51 * 6 / 255)
    np.testing.assert_allclose(layer.moving_mean, values.mean(axis=(0, 1, 2)), atol=1e-4)


def test_frozen_phase_equals_inference_with_the_newest_ranges() -> None:
    layer = _layer()
    before = [variable.numpy() for variable in (layer.moving_mean, layer.moving_variance)]
    trained = layer.train(INPUTS, Phase.FROZEN, NOW)
    _, inferred = layer.infer(INPUTS, quantised=True)
    np.testing.assert_array_equal(trained, inferred)
    np.testing.assert_array_equal(layer.moving_mean, before[0])
    np.testing.assert_array_equal(layer.moving_variance, before[1])


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_trains_kernel_scale_and_offset(phase: Phase) -> None:
    layer = _layer()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer.train(INPUTS, phase, NOW) ** 2)
    gradients = tape.gradient(loss, [layer.weights, layer.gamma, layer.beta])
    assert [np.abs(gradient).max() > 0 for gradient in gradients] == [True, True, True]


def test_adopting_statistics_keeps_inference_and_brings_training_to_it() -> None:
    layer = _layer()
    before, _ = layer.infer(INPUTS, quantised=False)
    assert np.abs(layer.train(INPUTS, Phase.FLOAT, NOW) - before).max() > 0.1

    layer = _layer()
    outputs = layer.adopt_statistics(INPUTS)
    after, _ = layer.infer(INPUTS, quantised=False)
    np.testing.assert_allclose(outputs, before, atol=1e-5)
    np.testing.assert_allclose(after, before, atol=1e-5)
    np.testing.assert_allclose(layer.train(INPUTS, Phase.FLOAT, NOW), before, atol=1e-4)
