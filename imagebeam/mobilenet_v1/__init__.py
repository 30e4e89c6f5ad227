"""MobileNet V1 with quantops: the network, its checkpoints, its export as a module, its training.

Importing this package is cheap: everything that needs TensorFlow lives in a module of its own
(`network`, `checkpoint`, `export`, `training`, …) and is imported from there.
"""

from imagebeam.mobilenet_v1.architecture import Architecture, Layer
from imagebeam.mobilenet_v1.errors import NetworkError

__all__ = ["Architecture", "Layer", "NetworkError"]
