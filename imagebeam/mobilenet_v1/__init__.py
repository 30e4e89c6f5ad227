"""MobileNet V1 with quantops: the network, its checkpoints, its export as a module, its training.

Importing this package is cheap. The modules that need TensorFlow (`network`, `checkpoint`,
`export`, `training`, …) are imported separately.
"""

from imagebeam.mobilenet_v1.architecture import Architecture, Layer
from imagebeam.mobilenet_v1.errors import NetworkError

__all__ = ["Architecture", "Layer", "NetworkError"]
