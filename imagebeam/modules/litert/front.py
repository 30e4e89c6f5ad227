"""Find the input range of a float flatbuffer that states none.

The first operations of a graph often rescale pictures: a multiplication by 1/255 takes pixel values
from 0 to 255, and x * 2 - 1 takes values from 0 to 1. Without such operations, the names of tensors
can show the family of the network, whose published models share one range.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from imagebeam.modules.input_options import fitting_range
from imagebeam.modules.litert.heads import operation_name

_ARITHMETIC = ("MUL", "ADD", "SUB", "DIV")
_TRANSPARENT = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RESHAPE", "CAST", "QUANTIZE")

_SLIM = ("MobilenetV1/", "MobilenetV2/", "MobilenetV3/", "InceptionV", "NASNet")
_KERAS = ("mobilenet_", "mobilenetv2_", "xception", "inception_v3", "inception_resnet_v2")


def range_of_front(content: bytes) -> tuple[float, float] | None:
    """Return the range that the rescaling at the front expects; None where there is none."""
    from ai_edge_litert import schema_py_generated as schema

    try:
        rescaled = _rescaled(schema, schema.Model.GetRootAs(content, 0))
    except (struct.error, AttributeError, IndexError, TypeError, ValueError):
        return None
    return None if rescaled is None else fitting_range(rescaled)


def range_of_family(content: bytes) -> tuple[float, float] | None:
    """Return the range of the family that the names of tensors show; None for an unknown one."""
    from ai_edge_litert import schema_py_generated as schema

    try:
        graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
        names = [
            (graph.Tensors(number).Name() or b"").decode("utf-8", "replace")
            for number in range(graph.TensorsLength())
        ]
    except (struct.error, AttributeError, IndexError, TypeError, ValueError):
        return None
    parts = [part for name in names for part in name.split(";")]
    if any(part.startswith(_SLIM) or part.lower().startswith(_KERAS) for part in parts):
        return -1.0, 1.0
    return None


def _rescaled(schema: Any, model: Any) -> Any:
    """Return the function from a value at the input to its value after the rescaling."""
    graph = model.Subgraphs(0)
    operators = [graph.Operators(number) for number in range(graph.OperatorsLength())]
    tensor = graph.Inputs(0)
    steps: list[tuple[str, Any]] = []
    while True:
        users = [each for each in operators if tensor in _inputs(each)]
        if len(users) != 1:
            break
        [user] = users
        code = model.OperatorCodes(user.OpcodeIndex())
        name = operation_name(schema, code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if name in _ARITHMETIC and len(_inputs(user)) == 2 and user.Inputs(0) == tensor:
            values = _constant(schema, model, graph.Tensors(user.Inputs(1)))
            if values is None or values.size not in (1, 3):
                break
            steps.append((name, values.ravel()))
        elif name not in _TRANSPARENT:
            break
        tensor = user.Outputs(0)
    if not steps:
        return None

    def apply(value: float) -> Any:
        result = np.full(3, value)
        for name, values in steps:
            match name:
                case "MUL":
                    result = result * values
                case "DIV":
                    result = result / values
                case "ADD":
                    result = result + values
                case _:
                    result = result - values
        return result

    return apply


def _inputs(operator: Any) -> list[int]:
    return [operator.Inputs(number) for number in range(operator.InputsLength())]


def _constant(schema: Any, model: Any, tensor: Any) -> Any:
    data = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if tensor.Type() != schema.TensorType.FLOAT32 or not isinstance(data, np.ndarray):
        return None
    return data.view(np.float32).astype(np.float64)
