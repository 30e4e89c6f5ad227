"""The network in TensorFlow 2, with fake quantisation where the published modules have it."""

from __future__ import annotations

import tensorflow as tf

from imagebeam.mobilenet_v1.architecture import SCOPE, Architecture
from imagebeam.mobilenet_v1.layers import BatchNormLayer, LogitsLayer, Phase, Rates


class Network(tf.Module):
    """MobileNet V1 with quantops: 249 variables under the names of a slim checkpoint.

    Fake quantisation sits on every folded kernel, behind every ReLU6 and on the logits, and
    nowhere else: not on biases, not behind average pooling, not on the input.

    Attributes:
        architecture: which member of the family it is.
        quantise_input: whether the input is rounded to levels too, as version 1 of the published
            modules is understood to do. The nearest 8-bit range to [-1, 1] is
            [-1.00392, 0.99608], which moves every pixel by half a level and clips white: leave it
            off unless you must reproduce such a module.
    """

    def __init__(
        self, architecture: Architecture, *, seed: int = 0, quantise_input: bool = False
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.quantise_input = quantise_input
        *body, logits = architecture.layers
        self.body = [BatchNormLayer(layer, (seed, index)) for index, layer in enumerate(body)]
        self.logits = LogitsLayer(logits, (seed, len(body)))

    def infer(self, inputs: tf.Tensor, *, quantised: bool = True) -> dict[str, tf.Tensor]:
        """Apply the inference graph: moving statistics, batch norm folded.

        Args:
            inputs: float32 (N, size, size, 3), RGB in [-1, 1].
            quantised: whether values are rounded to levels; False gives the float network.

        Returns:
            The endpoints by their slim names: the ReLU6 of every layer (`Conv2d_0`, …), float32
            (N, height, width, depth); `AvgPool_1a` (N, 1, 1, features); `Logits` and their
            softmax `Predictions` (N, classes).
        """
        endpoints: dict[str, tf.Tensor] = {}
        outputs = self._quantised_input(inputs) if quantised else inputs
        for layer in self.body:
            name = layer.layer.name
            with tf.name_scope(f"{SCOPE}/{name}"):
                endpoints[name], outputs = layer.infer(outputs, quantised=quantised)
        with tf.name_scope(f"{SCOPE}/Logits"):
            endpoints["AvgPool_1a"] = self._pool(outputs)
            logits = self.logits.infer(endpoints["AvgPool_1a"], quantised=quantised)
            endpoints["Logits"] = tf.squeeze(logits, [1, 2])
        endpoints["Predictions"] = tf.nn.softmax(endpoints["Logits"])
        return endpoints

    def train(self, inputs: tf.Tensor, phase: Phase, rates: Rates) -> tf.Tensor:
        """Logits of a training batch, float32 (N, classes); updates statistics and ranges.

        Args:
            inputs: float32 (N, size, size, 3), RGB in [-1, 1].
            phase: what is simulated and what may still move.
            rates: how far moving averages follow this batch.
        """
        outputs = inputs if phase is Phase.FLOAT else self._quantised_input(inputs)
        for layer in self.body:
            outputs = layer.train(outputs, phase, rates)
        return tf.squeeze(self.logits.train(self._pool(outputs), phase, rates), [1, 2])

    def adopt_statistics(self, inputs: tf.Tensor) -> None:
        """Make training on pictures like `inputs` begin from what inference does now.

        Batch norm's moving statistics become those of `inputs`, and its scales and offsets change
        along so that the folded network stays the same. Weights from elsewhere need it: their
        statistics are of other pictures, or were made up when folded weights were unfolded.

        Args:
            inputs: float32 (N, size, size, 3), RGB in [-1, 1]; some hundred are enough.
        """
        outputs = inputs
        for layer in self.body:
            outputs = layer.adopt_statistics(outputs)

    def kernels(self) -> list[tf.Variable]:
        """The kernels that slim regularises: all but the depthwise ones."""
        layers: list[BatchNormLayer | LogitsLayer] = [*self.body, self.logits]
        return [layer.weights for layer in layers if layer.layer.kind != "depthwise"]

    def _pool(self, outputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.avg_pool2d(outputs, self.architecture.pool, 1, "VALID")

    def _quantised_input(self, inputs: tf.Tensor) -> tf.Tensor:
        if not self.quantise_input:
            return inputs
        return tf.quantization.fake_quant_with_min_max_args(inputs, -1.0, 1.0, num_bits=8)


def rescale(pixels: tf.Tensor) -> tf.Tensor:
    """uint8 pixels of any shape as the network reads them: float32 in [-1, 1]."""
    return tf.cast(pixels, tf.float32) * (2 / 255) - 1
