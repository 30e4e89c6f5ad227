"""The two kinds of layers with variables, each with its inference and its training form."""

from dataclasses import dataclass
from enum import Enum

import tensorflow as tf

from imagebeam.mobilenet_v1.architecture import SCOPE, Layer
from imagebeam.mobilenet_v1.quantops import ActivationRange, Quantization, weight_range

EPSILON = 0.001
INITIAL_DEVIATION = 0.09


class Phase(Enum):
    """The phases of a training run.

    The sequence is that of Krishnamoorthi, "Quantizing deep convolutional networks for efficient
    inference" (arXiv:1806.08342), section 3.2: train in float, simulate quantisation, then fix the
    statistics of batch norm so that the ranges settle on the values of inference.
    """

    FLOAT = "float"
    QUANTISED = "quantised"
    FROZEN = "frozen"


@dataclass(frozen=True)
class Rates:
    """The weights of the newest batch in moving averages: float32 scalars in [0, 1]."""

    statistics: tf.Tensor
    ranges: tf.Tensor


class BatchNormLayer(tf.Module):
    """A convolution, pointwise or depthwise, with batch norm and ReLU6."""

    def __init__(
        self, layer: Layer, seed: tuple[int, int], quantization: Quantization = "uint8"
    ) -> None:
        super().__init__()
        scope = f"{SCOPE}/{layer.name}"
        depth = layer.output_shape[2]
        self.layer = layer
        self.weights = _kernel(layer, seed)
        self.gamma = tf.Variable(tf.ones(depth), name=f"{scope}/BatchNorm/gamma")
        self.beta = tf.Variable(tf.zeros(depth), name=f"{scope}/BatchNorm/beta")
        self.moving_mean = tf.Variable(
            tf.zeros(depth), trainable=False, name=f"{scope}/BatchNorm/moving_mean"
        )
        self.moving_variance = tf.Variable(
            tf.ones(depth), trainable=False, name=f"{scope}/BatchNorm/moving_variance"
        )
        # The original tool named ranges after operations, whose names repeat the outer scope.
        self.weight_range = weight_range(f"{SCOPE}/{scope}", quantization, layer.weights_shape)
        self.activation_range = ActivationRange(f"{SCOPE}/{scope}")

    def infer(self, inputs: tf.Tensor, *, quantised: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Apply the layer with batch norm folded into its kernel.

        Returns:
            The ReLU6, which is the published endpoint of the layer, and the input of the next
            layer: the same values, rounded to levels if `quantised`.
        """
        weights, bias = self.fold()
        if quantised:
            weights = self.weight_range.fake_quantise(weights)
        endpoint = tf.nn.relu6(self._convolve(inputs, weights) + bias)
        return endpoint, self.activation_range.fake_quantise(endpoint) if quantised else endpoint

    def train(self, inputs: tf.Tensor, phase: Phase, rates: Rates) -> tf.Tensor:
        """Apply the layer to a training batch; updates moving statistics and ranges."""
        if phase is Phase.FLOAT:
            outputs = self._normalise(self._convolve(inputs, self.weights), rates)
            return tf.nn.relu6(outputs)
        folded, bias = self.fold()
        self.weight_range.observe(folded)
        outputs = self._convolve(inputs, self.weight_range.fake_quantise(folded))
        if phase is Phase.FROZEN:
            outputs += bias
        else:
            # Batch norm gets the quantised convolution at its unfolded scale, so one convolution
            # serves both the statistics and the output.
            outputs = self._normalise(tf.math.divide_no_nan(outputs, self._multiplier()), rates)
        outputs = tf.nn.relu6(outputs)
        self.activation_range.observe(outputs, rates.ranges)
        return self.activation_range.fake_quantise(outputs)

    def adopt_statistics(self, inputs: tf.Tensor) -> tf.Tensor:
        """Replace the moving statistics by those of `inputs` without a change of inference.

        Scale and offset change too, so that kernel and bias after folding stay the same. After
        this, training with batch statistics starts close to inference, whatever the statistics
        were before.

        Returns:
            The input of the next layer, not quantised.
        """
        convolved = self._convolve(inputs, self.weights)
        mean, variance = tf.nn.moments(convolved, [0, 1, 2])
        multiplier = self._multiplier()
        self.beta.assign_add((mean - self.moving_mean) * multiplier)
        self.gamma.assign(multiplier * tf.sqrt(variance + EPSILON))
        self.moving_mean.assign(mean)
        self.moving_variance.assign(variance)
        return tf.nn.relu6((convolved - mean) * multiplier + self.beta)

    def fold(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Return kernel and bias of the convolution that equals this layer with its batch norm."""
        multiplier = self._multiplier()
        bias = self.beta - self.moving_mean * multiplier
        if self.layer.kind == "depthwise":
            multiplier = tf.reshape(multiplier, [-1, 1])
        return self.weights * multiplier, bias

    def _multiplier(self) -> tf.Tensor:
        return self.gamma * tf.math.rsqrt(self.moving_variance + EPSILON)

    def _convolve(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        stride = self.layer.stride
        if self.layer.kind == "depthwise":
            return tf.nn.depthwise_conv2d(inputs, weights, [1, stride, stride, 1], "SAME")
        return tf.nn.conv2d(inputs, weights, stride, "SAME")

    def _normalise(self, outputs: tf.Tensor, rates: Rates) -> tf.Tensor:
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            outputs, self.gamma, self.beta, epsilon=EPSILON, is_training=True
        )
        self.moving_mean.assign_add(rates.statistics * (mean - self.moving_mean))
        self.moving_variance.assign_add(rates.statistics * (variance - self.moving_variance))
        return outputs


class LogitsLayer(tf.Module):
    """The last layer: a pointwise convolution with a bias."""

    def __init__(
        self, layer: Layer, seed: tuple[int, int], quantization: Quantization = "uint8"
    ) -> None:
        super().__init__()
        scope = f"{SCOPE}/{layer.name}"
        self.layer = layer
        self.weights = _kernel(layer, seed)
        self.biases = tf.Variable(tf.zeros(layer.output_shape[2]), name=f"{scope}/biases")
        self.weight_range = weight_range(scope, quantization, layer.weights_shape)
        self.activation_range = ActivationRange(scope)

    def infer(self, inputs: tf.Tensor, *, quantised: bool) -> tf.Tensor:
        """Compute the logits, float32 (N, 1, 1, classes)."""
        if not quantised:
            return self._apply(inputs, self.weights)
        outputs = self._apply(inputs, self.weight_range.fake_quantise(self.weights))
        return self.activation_range.fake_quantise(outputs)

    def train(self, inputs: tf.Tensor, phase: Phase, rates: Rates) -> tf.Tensor:
        """Compute the logits of a training batch and update the ranges."""
        if phase is Phase.FLOAT:
            return self._apply(inputs, self.weights)
        self.weight_range.observe(self.weights)
        outputs = self._apply(inputs, self.weight_range.fake_quantise(self.weights))
        self.activation_range.observe(outputs, rates.ranges)
        return self.activation_range.fake_quantise(outputs)

    def _apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(inputs, weights, 1, "SAME") + self.biases


def _kernel(layer: Layer, seed: tuple[int, int]) -> tf.Variable:
    values = tf.random.stateless_truncated_normal(layer.weights_shape, seed) * INITIAL_DEVIATION
    return tf.Variable(values, name=f"{SCOPE}/{layer.name}/{layer.weights_name}")
