"""Find the input range of a float flatbuffer that states none.

The first operations of a graph often rescale pictures: a multiplication by 1/255 takes pixel values
from 0 to 255, and x * 2 - 1 takes values from 0 to 1. A network of 8-bit integers with a float
input starts with a quantisation, whose limits are those of the pictures it was calibrated with.
"""

from typing import Any

import numpy as np

from imagebeam.modules.input_ranges import Front, Range, front_of_rescaling
from imagebeam.modules.litert.graph import Graph

_ARITHMETIC = {"MUL": np.multiply, "ADD": np.add, "SUB": np.subtract, "DIV": np.divide}
_REVERSING = ("STRIDED_SLICE", "REVERSE_V2")
_TRANSPARENT = (
    *("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RESHAPE", "TRANSPOSE", "PAD", "PADV2", "CAST"),
    *_REVERSING,
)


def front_of(graph: Graph) -> Front:
    """Return what the first operations of a flatbuffer do with its pictures."""
    tensor = int(graph.model.subgraphs[0].inputs[0])
    steps: list[tuple[str, Any]] = []
    limits: Range | None = None
    reverses = False
    while True:
        users = [each for each in graph.operators if tensor in each.inputs]
        if len(users) != 1:
            break
        [user] = users
        name = graph.name(user)
        if name in _ARITHMETIC and len(user.inputs) == 2 and user.inputs[0] == tensor:
            values = graph.constant(int(user.inputs[1]))
            if values is None or values.size not in (1, 3):
                break
            steps.append((name, values.ravel()))
        elif name == "QUANTIZE":
            limits = limits or (None if steps else _limits(graph, int(user.outputs[0])))
        elif name not in _TRANSPARENT:
            break
        reverses |= name in _REVERSING
        tensor = int(user.outputs[0])
    if not steps:
        return Front(limits=limits)

    def rescale(value: float) -> Any:
        result = np.full(3, value)
        for name, values in steps:
            result = _ARITHMETIC[name](result, values)
        return result

    return front_of_rescaling(rescale, reverses, limits)


def _limits(graph: Graph, tensor: int) -> Range | None:
    """Return the lowest and the highest value of a quantised tensor."""
    quantised, types = graph.tensors[tensor], graph.schema.TensorType
    limits = {types.INT8: (-128, 127), types.UINT8: (0, 255)}.get(quantised.type)
    parameters = quantised.quantization
    scales = None if parameters is None else parameters.scale
    if limits is None or scales is None or len(scales) != 1:
        return None
    scale, zero_point = float(scales[0]), int(parameters.zeroPoint[0])
    low, high = ((limit - zero_point) * scale for limit in limits)
    return low, high
