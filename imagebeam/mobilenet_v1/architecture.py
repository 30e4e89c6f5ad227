"""MobileNet V1 as a table, from which shapes, names, parameters and MACs are computed.

The network is that of Howard et al., "MobileNets" (arXiv:1704.04861). The layers have the names of
`mobilenet_v1` in TensorFlow-Slim, under which the weights were published.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from imagebeam.mobilenet_v1.errors import NetworkError

WIDTHS = (0.25, 0.5, 0.75, 1.0)
SIZES = (128, 160, 192, 224)
SCOPE = "MobilenetV1"
LOGITS = "Logits/Conv2d_1c_1x1"
TOTAL_STRIDE = 32

Kind = Literal["convolution", "depthwise", "logits"]

# (kind, stride, output depth at width 1) for every layer with batch norm, in order. A depthwise
# layer keeps its depth.
_TABLE: tuple[tuple[Literal["convolution", "separable"], int, int], ...] = (
    ("convolution", 2, 32),
    ("separable", 1, 64),
    ("separable", 2, 128),
    ("separable", 1, 128),
    ("separable", 2, 256),
    ("separable", 1, 256),
    ("separable", 2, 512),
    ("separable", 1, 512),
    ("separable", 1, 512),
    ("separable", 1, 512),
    ("separable", 1, 512),
    ("separable", 1, 512),
    ("separable", 2, 1024),
    ("separable", 1, 1024),
)
_MIN_DEPTH = 8
_POOL = 7


@dataclass(frozen=True)
class Layer:
    """One layer that has weights.

    Attributes:
        name: its scope below `MobilenetV1` in slim, for example `Conv2d_3_pointwise`.
        kind: `convolution` and `depthwise` are followed by batch norm and ReLU6; `logits` has a
            bias and neither.
        kernel: side of the square kernel.
        stride: step in both directions; padding is always SAME.
        input_shape: (height, width, depth).
        output_shape: (height, width, depth).
    """

    name: str
    kind: Kind
    kernel: int
    stride: int
    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]

    @property
    def has_batch_norm(self) -> bool:
        """Return whether batch norm and ReLU6 follow: they do after all layers but the last."""
        return self.kind != "logits"

    @property
    def weights_name(self) -> str:
        """Return the name of its kernel in slim: `depthwise_weights` or `weights`."""
        return "depthwise_weights" if self.kind == "depthwise" else "weights"

    @property
    def weights_shape(self) -> tuple[int, int, int, int]:
        """Return (kernel, kernel, input depth, outputs per input depth or output depth)."""
        outputs = 1 if self.kind == "depthwise" else self.output_shape[2]
        return (self.kernel, self.kernel, self.input_shape[2], outputs)

    @property
    def weights(self) -> int:
        """Return the number of values in its kernel."""
        return math.prod(self.weights_shape)

    @property
    def macs(self) -> int:
        """Return the multiply-accumulates for one image."""
        height, width, _ = self.output_shape
        return self.weights * height * width


@dataclass(frozen=True)
class Architecture:
    """One member of the family.

    Attributes:
        width: multiplier of every layer's depth; the published ones are `WIDTHS`.
        size: side of the square input in pixels; the published ones are `SIZES`.
        class_count: number of logits; 1001 for ImageNet with its background class.

    Raises:
        NetworkError: no network has this width, size or class count.
    """

    width: float = 0.5
    size: int = 160
    class_count: int = 1001

    def __post_init__(self) -> None:
        if not 0 < self.width <= 1:
            raise NetworkError(
                f"width {self.width}: must be above 0 and at most 1. "
                f"Use a published one: {', '.join(map(str, WIDTHS))}."
            )
        if self.size % TOTAL_STRIDE or not TOTAL_STRIDE <= self.size <= _POOL * TOTAL_STRIDE:
            raise NetworkError(
                f"size {self.size}: must be a multiple of {TOTAL_STRIDE} "
                f"from {TOTAL_STRIDE} to {_POOL * TOTAL_STRIDE}. "
                f"Use a published one: {', '.join(map(str, SIZES))}."
            )
        if self.class_count < 2:
            raise NetworkError(f"{self.class_count} classes: a classifier needs at least 2.")

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Return all 28 layers with weights, from `Conv2d_0` to `Logits/Conv2d_1c_1x1`."""
        layers: list[Layer] = []
        shape = (self.size, self.size, 3)

        def add(name: str, kind: Kind, kernel: int, stride: int, depth: int) -> None:
            nonlocal shape
            output = (shape[0] // stride, shape[1] // stride, depth)
            layers.append(Layer(name, kind, kernel, stride, shape, output))
            shape = output

        for index, (kind, stride, full_depth) in enumerate(_TABLE):
            depth = max(int(full_depth * self.width), _MIN_DEPTH)
            name = f"Conv2d_{index}"
            if kind == "convolution":
                add(name, "convolution", 3, stride, depth)
            else:
                add(f"{name}_depthwise", "depthwise", 3, stride, shape[2])
                add(f"{name}_pointwise", "convolution", 1, 1, depth)
        shape = (1, 1, shape[2])  # the output of average pooling
        add(LOGITS, "logits", 1, 1, self.class_count)
        return tuple(layers)

    @property
    def pool(self) -> int:
        """Return the side of the average pooling window, which covers the last feature map."""
        return self.size // TOTAL_STRIDE

    @property
    def feature_length(self) -> int:
        """Return the length of the feature vector: the depth of the last feature map."""
        return self.layers[-1].input_shape[2]

    @property
    def folded_parameters(self) -> int:
        """Count the parameters of the inference graph: kernels and one bias per output."""
        return sum(layer.weights + layer.output_shape[2] for layer in self.layers)

    @property
    def trainable_parameters(self) -> int:
        """Count kernels, batch norm scales and offsets, and the bias of the logits."""
        return self.folded_parameters + self._batch_norm_channels

    @property
    def parameters(self) -> int:
        """Count the trainable parameters and the moving statistics of batch norm.

        This is the published figure of the family: 1,343,049 for 0.5 with 1001 classes.
        """
        return self.trainable_parameters + 2 * self._batch_norm_channels

    @property
    def macs(self) -> int:
        """Count the multiply-accumulates per image: 76,525,312 for 0.5/160 with 1001 classes."""
        return sum(layer.macs for layer in self.layers)

    @property
    def _batch_norm_channels(self) -> int:
        return sum(layer.output_shape[2] for layer in self.layers if layer.has_batch_norm)
