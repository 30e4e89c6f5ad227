"""Measure how often a network finds the correct class."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from imagebeam.mobilenet_v1.network import Network, rescale


@dataclass(frozen=True)
class NetworkAccuracy:
    """Top-1 accuracy of the two forms of one network on the same pictures.

    Attributes:
        count: number of pictures.
        float_right: pictures that the float network classifies correctly.
        quantised_right: pictures that the network with fake quantisation classifies correctly.
    """

    count: int
    float_right: int
    quantised_right: int

    @property
    def float_share(self) -> float:
        """Return the accuracy of the float network, in [0, 1]."""
        return self.float_right / self.count


def evaluate(network: Network, batches: Iterable[tuple[Any, Any]]) -> NetworkAccuracy:
    """Count correct classes, with and without fake quantisation.

    Args:
        network: the network to evaluate.
        batches: pairs of pixels uint8 (N, size, size, 3) and classes int (N,).
    """

    @tf.function(reduce_retracing=True)
    def predict(pixels: tf.Tensor) -> tf.Tensor:
        inputs = rescale(pixels)
        return tf.stack(
            [
                tf.argmax(network.infer(inputs, quantised=quantised)["Logits"], axis=1)
                for quantised in (False, True)
            ]
        )

    count, right = 0, np.zeros(2, int)
    for pixels, classes in batches:
        classes = np.asarray(classes)
        right += (predict(pixels).numpy() == classes).sum(axis=1)
        count += len(classes)
    return NetworkAccuracy(count, *right.tolist())
