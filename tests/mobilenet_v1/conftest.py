"""The published network, built once."""

from pathlib import Path

import numpy as np
import pytest

from imagebeam.mobilenet_v1 import Architecture
from imagebeam.mobilenet_v1.checkpoint import Weights, load_weights, read_checkpoint
from imagebeam.mobilenet_v1.network import Network

CHECKPOINT = "checkpoint/mobilenet_v1_0.5_160_quant.ckpt"


@pytest.fixture(scope="session")
def published_weights(reference: Path) -> Weights:
    """Return the weights of 0.5/160 by their slim names."""
    return read_checkpoint(reference / CHECKPOINT)


@pytest.fixture(scope="session")
def published(published_weights: Weights) -> Network:
    """Return the network with those weights; tests must not change it."""
    network = Network(Architecture(0.5, 160))
    load_weights(network, published_weights)
    return network


@pytest.fixture(scope="session")
def golden(reference: Path) -> dict[str, np.ndarray]:
    """Return the values of TensorFlow 1.15: pixels, logits, features, conv2d_0_relu6."""
    with np.load(reference / "golden.npz") as values:
        return dict(values)
