"""The network in TensorFlow 2, with the fake quantisation of the published modules."""

import tensorflow as tf

from imagebeam.mobilenet_v1.architecture import SCOPE, Architecture
from imagebeam.mobilenet_v1.layers import BatchNormLayer, LogitsLayer, Phase, Rates
from imagebeam.mobilenet_v1.quantops import Quantization


class Network(tf.Module):
    """MobileNet V1 with quantops: 249 variables under the names of a slim checkpoint.

    Fake quantisation is applied to every folded kernel, after every ReLU6 and to the logits; not
    to biases, not after average pooling, not to the input.

    Attributes:
        architecture: the member of the family.
        quantise_input: True rounds the input to levels too, as version 1 of the published modules
            probably does. The nearest 8-bit range to [-1, 1] is [-1.00392, 0.99608], which moves
            every pixel by half a level and clips white. Use it only to reproduce such a module.
        quantization: the integers of its compiled form: "uint8" as the published modules, or
            "int8", for which the ranges of weights have one value per output channel.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        seed: int = 0,
        quantise_input: bool = False,
        quantization: Quantization = "uint8",
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.quantise_input = quantise_input
        self.quantization = quantization
        *body, logits = architecture.layers
        self.body = [
            BatchNormLayer(layer, (seed, index), quantization) for index, layer in enumerate(body)
        ]
        self.logits = LogitsLayer(logits, (seed, len(body)), quantization)

    def infer(self, inputs: tf.Tensor, *, quantised: bool = True) -> dict[str, tf.Tensor]:
        """Apply the inference graph: moving statistics, batch norm folded.

        Args:
            inputs: float32 (N, size, size, 3), RGB in [-1, 1].
            quantised: True rounds values to levels; False is the float network.

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
        """Compute logits of a training batch, float32 (N, classes); update statistics and ranges.

        Args:
            inputs: float32 (N, size, size, 3), RGB in [-1, 1].
            rates: the weights of this batch in moving averages.
        """
        outputs = inputs if phase is Phase.FLOAT else self._quantised_input(inputs)
        for layer in self.body:
            outputs = layer.train(outputs, phase, rates)
        return tf.squeeze(self.logits.train(self._pool(outputs), phase, rates), [1, 2])

    def adopt_statistics(self, inputs: tf.Tensor) -> None:
        """Make training on pictures like `inputs` start from the present inference.

        The moving statistics of batch norm become those of `inputs`, and its scales and offsets
        change so that the folded network stays the same. Weights from another source need this:
        their statistics belong to other pictures, or were invented when folded weights were
        unfolded.

        Args:
            inputs: float32 (N, size, size, 3), RGB in [-1, 1]; a few hundred are enough.
        """
        outputs = inputs
        for layer in self.body:
            outputs = layer.adopt_statistics(outputs)

    def kernels(self) -> list[tf.Variable]:
        """Return the kernels that slim regularises: all except the depthwise kernels."""
        layers: list[BatchNormLayer | LogitsLayer] = [*self.body, self.logits]
        return [layer.weights for layer in layers if layer.layer.kind != "depthwise"]

    def _pool(self, outputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.avg_pool2d(outputs, self.architecture.pool, 1, "VALID")

    def _quantised_input(self, inputs: tf.Tensor) -> tf.Tensor:
        if not self.quantise_input:
            return inputs
        return tf.quantization.fake_quant_with_min_max_args(inputs, -1.0, 1.0, num_bits=8)


def rescale(pixels: tf.Tensor) -> tf.Tensor:
    """Convert uint8 pixels of any shape to the input of the network: float32 in [-1, 1]."""
    return tf.cast(pixels, tf.float32) * (2 / 255) - 1
