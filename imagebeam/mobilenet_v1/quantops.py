"""Fake quantisation: values are rounded to 256 levels but stay floats.

This is the scheme of Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (arXiv:1712.05877), with the settings of `tf.contrib.quantize` in
TensorFlow 1: 8 bits, one asymmetric range per tensor. Weights use a narrow range (levels 1 to 255)
and take their range from the last batch; activations use all levels and a moving average.
"""

from __future__ import annotations

import tensorflow as tf

WEIGHT_RANGE = (-6.0, 6.0)
ACTIVATION_RANGE = (0.0, 6.0)


class _Range(tf.Module):
    """The real interval of the levels of one tensor: two scalar variables."""

    narrow = False

    def __init__(self, scope: str, interval: tuple[float, float]) -> None:
        super().__init__()
        self.min = tf.Variable(interval[0], trainable=False, name=f"{scope}/min")
        self.max = tf.Variable(interval[1], trainable=False, name=f"{scope}/max")

    def fake_quantise(self, values: tf.Tensor) -> tf.Tensor:
        """Round to the nearest level; the gradient passes through unchanged inside the range."""
        return tf.quantization.fake_quant_with_min_max_vars(
            values, self.min, self.max, num_bits=8, narrow_range=self.narrow
        )


class WeightRange(_Range):
    """The range of a folded kernel: the range of its last value."""

    narrow = True

    def __init__(self, scope: str) -> None:
        super().__init__(f"{scope}/weights_quant", WEIGHT_RANGE)

    def observe(self, weights: tf.Tensor) -> None:
        """Take the range of `weights`, extended to contain zero."""
        low, high = _extremes(weights)
        self.min.assign(low)
        self.max.assign(high)


class ActivationRange(_Range):
    """The range of the output of a layer: a moving average over batches."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"{scope}/act_quant", ACTIVATION_RANGE)

    def observe(self, values: tf.Tensor, rate: tf.Tensor) -> None:
        """Move by `rate` (float32 scalar in [0, 1]) towards the range of `values`."""
        low, high = _extremes(values)
        self.min.assign_add(rate * (low - self.min))
        self.max.assign_add(rate * (high - self.max))


def debiased_rate(decay: float, observation: tf.Tensor) -> tf.Tensor:
    """Return the step of a moving average without a bias towards its initial value.

    Moving by (1 - decay) / (1 - decay ** n) at the n-th observation gives the zero-debiased
    average of Kingma and Ba (arXiv:1412.6980, section 3) without a second accumulator.

    Args:
        decay: weight of the past, in [0, 1).
        observation: n, counted from 1; a numeric scalar.

    Returns:
        float32 scalar in (0, 1]; 1 at the first observation.
    """
    return (1 - decay) / (1 - tf.pow(decay, tf.cast(observation, tf.float32)))


def _extremes(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the smallest and the largest value, including zero."""
    values = tf.stop_gradient(values)
    low = tf.minimum(tf.reduce_min(values), 0.0)
    return low, tf.maximum(tf.reduce_max(values), 0.0)
