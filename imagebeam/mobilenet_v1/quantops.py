"""Fake quantisation: values are rounded to 256 levels but stay floats.

This is the scheme of Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (arXiv:1712.05877), with the settings of `tf.contrib.quantize` in
TensorFlow 1: 8 bits, one asymmetric range per tensor. Weights use a narrow range (levels 1 to 255)
and take their range from the last batch; activations use all levels and a moving average.

The published networks are of this form, which is executed on uint8. LiteRT is faster on int8, where
weights need one symmetric range per output channel (arXiv:1806.08342, section 3.1); the activations
stay the same.
"""

from typing import Literal

import tensorflow as tf

Quantization = Literal["uint8", "int8"]
"""The integers on which the compiled network computes."""

WEIGHT_RANGE = (-6.0, 6.0)
ACTIVATION_RANGE = (0.0, 6.0)
# Biases are int32 in units of the weights' step times that of the inputs. With smaller weights than
# these, as in channels that training has switched off, a bias would not fit.
_LEAST_CHANNEL_RANGE = 1e-3


class _Range(tf.Module):
    """The real interval of the levels of one tensor, or of each of its channels: two variables."""

    narrow = False

    def __init__(
        self, scope: str, interval: tuple[float, float], shape: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        low, high = (tf.fill(shape, limit) for limit in interval)
        self.min = tf.Variable(low, trainable=False, name=f"{scope}/min")
        self.max = tf.Variable(high, trainable=False, name=f"{scope}/max")

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


class ChannelWeightRange(_Range):
    """The ranges of a folded kernel for int8: one per output channel, with 0 in the middle."""

    def __init__(self, scope: str, kernel_shape: tuple[int, ...]) -> None:
        # A depthwise kernel has its channels in the last axis but one, and the converter reads
        # ranges of the last axis.
        self._shape = kernel_shape[:-1] if kernel_shape[-1] == 1 else kernel_shape
        super().__init__(f"{scope}/weights_quant", WEIGHT_RANGE, self._shape[-1:])

    def fake_quantise(self, values: tf.Tensor) -> tf.Tensor:
        """Round to the nearest level; the gradient passes through unchanged inside the range."""
        rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            tf.reshape(values, self._shape), self.min, self.max, num_bits=8, narrow_range=True
        )
        return tf.reshape(rounded, values.shape)

    def observe(self, weights: tf.Tensor) -> None:
        """Take the largest absolute weight of each channel as its limits."""
        rows = tf.reshape(tf.stop_gradient(weights), [-1, self._shape[-1]])
        largest = tf.maximum(tf.reduce_max(tf.abs(rows), axis=0), _LEAST_CHANNEL_RANGE)
        self.min.assign(-largest)
        self.max.assign(largest)


class ActivationRange(_Range):
    """The range of the output of a layer: a moving average over batches."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"{scope}/act_quant", ACTIVATION_RANGE)

    def observe(self, values: tf.Tensor, rate: tf.Tensor) -> None:
        """Move by `rate` (float32 scalar in [0, 1]) towards the range of `values`."""
        low, high = _extremes(values)
        self.min.assign_add(rate * (low - self.min))
        self.max.assign_add(rate * (high - self.max))


def weight_range(
    scope: str, quantization: Quantization, kernel_shape: tuple[int, ...]
) -> WeightRange | ChannelWeightRange:
    """Return the range of a kernel with the shape of `Layer.weights_shape`."""
    if quantization == "int8":
        return ChannelWeightRange(scope, kernel_shape)
    return WeightRange(scope)


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
