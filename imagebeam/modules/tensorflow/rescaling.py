"""Cut the rescaling of pictures off the front of a graph.

A module multiplies and shifts its pictures before the first convolution, for example x * 2 - 1.
This arithmetic would stay float32 in front of a uint8 network. When it is cut off, it becomes the
scale and zero point of the input.
"""

import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from imagebeam.modules.input_ranges import Front, front_of_rescaling

_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    **dict.fromkeys(("Add", "AddV2", "BiasAdd"), operator.add),
    **dict.fromkeys(("Div", "RealDiv"), operator.truediv),
    "Mul": operator.mul,
    "Sub": operator.sub,
}
_ROOTS = {"Sqrt": 0.5, "Rsqrt": -0.5}
_DEEPEST = 10
# The quantised input has an equally fine grid, so fake quantisation of the input can go.
_TRANSPARENT = ("Identity", "Cast", "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars")
_RESIZING = ("ResizeBilinear", "ResizeNearestNeighbor", "Reshape", "Transpose", "Pad", "PadV2")
_REVERSING = ("StridedSlice", "ReverseV2")


class NotRescaledError(ValueError):
    """The front of a graph does more than rescale by constants."""


@dataclass(frozen=True)
class RescalingPoint:
    """A graph that starts after its rescaling.

    Attributes:
        low: real value of pixel 0 at its input.
        high: real value of pixel 255 there.
    """

    graph: Any
    input_name: str
    low: float
    high: float


@dataclass(frozen=True)
class _Point:
    """A rescaled tensor, consumed by `node` at `position`."""

    node: Any
    position: int
    low: float
    high: float


def cut_rescaling(
    graph: Any, input_name: str, value_range: tuple[float, float], shape: list[int | None]
) -> RescalingPoint:
    """Replace the rescaling in a graph by a new input.

    Args:
        graph: a frozen GraphDef, so that the factors are constants.
        input_name: its placeholder for pictures.
        value_range: the values of pixels 0 and 255 at that placeholder.
        shape: the shape of the new input, float32.

    Raises:
        NotRescaledError: the rescaling uses more than scalars, or differs between its consumers.
    """
    cut = type(graph)()
    cut.CopyFrom(graph)
    ends = list(_ends(cut, input_name, value_range))
    ranges = {(round(end.low, 6), round(end.high, 6)) for end in ends}
    if len(ranges) != 1 or ends[0].low >= ends[0].high:
        raise NotRescaledError(
            f"its pictures are not rescaled to one range (found {sorted(ranges)})"
        )
    name = f"{input_name}_rescaled"
    for end in ends:
        end.node.input[end.position] = name
    placeholder = cut.node.add(name=name, op="Placeholder")
    placeholder.attr["dtype"].type = tf.float32.as_datatype_enum
    placeholder.attr["shape"].shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return RescalingPoint(cut, name, ends[0].low, ends[0].high)


def front_of(graph: Any, input_name: str) -> Front:
    """Return what the first operations of a frozen graph do with the values of pictures.

    A resize before the rescaling changes no range.
    """

    def rescale(
        value: float, resizing: tuple[str, ...] = (*_RESIZING, *_REVERSING)
    ) -> npt.NDArray[np.float64]:
        transparent = (*_TRANSPARENT, *resizing)
        return np.array(
            [
                end.low
                for channel in range(3)
                for end in _ends(graph, input_name, (value, value), transparent, channel)
            ]
        )

    # Without arithmetic, the value of a pixel stays as it is.
    ends = rescale(0.5)
    if not ends.size or (ends == 0.5).any():
        return Front(rescales=bool((ends != 0.5).any()))
    reverses = not np.array_equal(rescale(0.5, _RESIZING), ends)
    # Several branches give several values for each channel.
    return front_of_rescaling(rescale, reverses or ends.size != 3)


def _ends(
    graph: Any,
    input_name: str,
    value_range: tuple[float, float],
    transparent: tuple[str, ...] = _TRANSPARENT,
    channel: int | None = None,
) -> Iterator[_Point]:
    """Find the places where rescaled pictures enter another kind of operation.

    Constants for each channel count where `channel` names one.
    """
    nodes = {node.name: node for node in graph.node}
    consumers = defaultdict(list)
    for node in graph.node:
        for position, tensor in enumerate(node.input):
            consumers[tensor.removesuffix(":0")].append((node, position))
    open_ends = [(input_name, *value_range)]
    while open_ends:
        name, low, high = open_ends.pop()
        for node, position in consumers[name]:
            if node.op == "Shape":
                continue
            rescaled = [
                _apply(node, position, value, nodes, transparent, channel) for value in (low, high)
            ]
            if None in rescaled:
                yield _Point(node, position, low, high)
            else:
                open_ends.append((node.name, *rescaled))


def _apply(
    node: Any,
    position: int,
    value: float,
    nodes: dict[str, Any],
    transparent: tuple[str, ...],
    channel: int | None,
) -> float | None:
    """Apply `node` to the scalar `value`; None when the node is not a rescaling."""
    if node.op in transparent and position == 0:
        return value
    if node.op == "FusedBatchNormV3" and position == 0 and channel is not None:
        found = [_scalar(nodes[each.removesuffix(":0")], nodes, channel) for each in node.input[1:]]
        constants = [each for each in found if each is not None]
        if len(constants) != 4:
            return None
        scale, shift, mean, variance = constants
        return (value - mean) / math.sqrt(variance + node.attr["epsilon"].f) * scale + shift
    if node.op not in _ARITHMETIC:
        return None
    other = _scalar(nodes[node.input[1 - position].removesuffix(":0")], nodes, channel)
    if other is None:
        return None
    operands = (value, other) if position == 0 else (other, value)
    return _ARITHMETIC[node.op](*operands)


def _scalar(
    node: Any, nodes: dict[str, Any], channel: int | None, depth: int = _DEEPEST
) -> float | None:
    """Return a constant, or what is computed from constants; None for other values.

    Keras computes the factors of a normalisation in the graph.
    """
    while node.op == "Identity":
        node = nodes[node.input[0].removesuffix(":0")]
    if node.op == "Const":
        value: np.ndarray[Any, Any] = tf.make_ndarray(node.attr["value"].tensor)
        if value.size == 3 and channel is not None:
            return float(value.ravel()[channel])
        return float(value.reshape(())) if value.size == 1 else None
    if depth == 0 or node.op not in (*_ARITHMETIC, *_ROOTS, "Maximum"):
        return None
    inputs = [nodes[each.removesuffix(":0")] for each in node.input if not each.startswith("^")]
    found = [_scalar(each, nodes, channel, depth - 1) for each in inputs]
    numbers = [each for each in found if each is not None]
    if len(numbers) != len(found):
        return None
    if node.op in _ROOTS:
        return numbers[0] ** _ROOTS[node.op] if numbers[0] > 0 else None
    return max(numbers) if node.op == "Maximum" else _ARITHMETIC[node.op](*numbers)
