"""Test fake quantisation against its definition, written in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.mobilenet_v1.quantops import (
    ActivationRange,
    ChannelWeightRange,
    WeightRange,
    debiased_rate,
)


def _fake_quantised(values: np.ndarray, low: float, high: float, lowest_level: int) -> np.ndarray:
    """Jacob et al. (arXiv:1712.05877), section 3: scale and zero point, then round and return."""
    scale = (high - low) / (255 - lowest_level)
    zero_point = np.clip(np.round(lowest_level - low / scale), lowest_level, 255)
    levels = np.clip(np.round(values / scale) + zero_point, lowest_level, 255)
    return np.asarray((levels - zero_point) * scale)


def _range(interval: WeightRange | ActivationRange) -> tuple[float, float]:
    return float(interval.min), float(interval.max)


VALUES = np.random.default_rng(0).uniform(-2, 3, 1000).astype(np.float32)


def test_weights_use_levels_1_to_255() -> None:
    interval = WeightRange("layer")
    interval.observe(tf.constant(VALUES))
    rounded = interval.fake_quantise(tf.constant(VALUES)).numpy()
    expected = _fake_quantised(VALUES, VALUES.min(), VALUES.max(), lowest_level=1)
    np.testing.assert_allclose(rounded, expected, atol=1e-6)
    assert len(np.unique(rounded)) <= 255


def test_activations_use_levels_0_to_255() -> None:
    interval = ActivationRange("layer")
    values = np.linspace(-1, 7, 5000, dtype=np.float32)
    rounded = interval.fake_quantise(tf.constant(values)).numpy()
    np.testing.assert_allclose(rounded, _fake_quantised(values, 0, 6, lowest_level=0), atol=1e-6)
    assert len(np.unique(rounded)) == 256


def test_initial_ranges_are_slims() -> None:
    assert _range(WeightRange("layer")) == (-6, 6)
    assert _range(ActivationRange("layer")) == (0, 6)


def test_weight_range_is_that_of_the_last_value_and_holds_zero() -> None:
    interval = WeightRange("layer")
    interval.observe(tf.constant([-5.0, 9.0]))
    interval.observe(tf.constant([1.0, 2.0]))
    assert _range(interval) == (0, 2)


@pytest.mark.parametrize("shape", [(3, 3, 4, 5), (3, 3, 5, 1)])
def test_each_output_channel_has_127_steps_on_both_sides_of_zero(
    shape: tuple[int, int, int, int],
) -> None:
    weights = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    channels = weights.reshape(-1, 5)
    channels *= [0.01, 0.1, 1, 10, 0]
    interval = ChannelWeightRange("layer", shape)
    interval.observe(tf.constant(weights))
    largest = np.maximum(np.abs(channels).max(axis=0), 1e-3)
    np.testing.assert_array_equal(interval.max, largest)
    np.testing.assert_array_equal(interval.min, -largest)
    rounded = interval.fake_quantise(tf.constant(weights)).numpy()
    assert rounded.shape == shape
    steps = rounded.reshape(-1, 5) / (largest / 127)
    np.testing.assert_allclose(steps, np.round(channels / (largest / 127)), atol=1e-3)
    np.testing.assert_allclose(np.abs(steps).max(axis=0), [127, 127, 127, 127, 0], atol=1e-3)


def test_activation_range_follows_by_its_rate() -> None:
    interval = ActivationRange("layer")
    interval.observe(tf.constant([-1.0, 4.0]), tf.constant(1.0))
    interval.observe(tf.constant([-3.0, 8.0]), tf.constant(0.25))
    assert _range(interval) == (-1.5, 5)


def test_debiased_rate_gives_the_zero_debiased_average() -> None:
    values = np.random.default_rng(1).uniform(0, 6, 50)
    decay, biased, average = 0.9, 0.0, 123.0
    for count, value in enumerate(values, 1):
        biased = decay * biased + (1 - decay) * value
        average += float(debiased_rate(decay, tf.constant(count))) * (value - average)
        assert average == pytest.approx(biased / (1 - decay**count), rel=1e-5)


def test_gradient_passes_inside_the_range_only() -> None:
    interval = ActivationRange("layer")
    values = tf.constant([-1.0, 0.5, 5.9, 6.5])
    with tf.GradientTape() as tape:
        tape.watch(values)
        rounded = interval.fake_quantise(values)
    assert tape.gradient(rounded, values).numpy().tolist() == [0, 1, 1, 0]
