"""Find the input range of a float flatbuffer that states none.

The first operations of a graph often rescale pictures: a multiplication by 1/255 takes pixel values
from 0 to 255, and x * 2 - 1 takes values from 0 to 1. A network of 8-bit integers with a float
input starts with a quantisation, whose limits are those of the pictures it was calibrated with.
"""

import struct
from typing import Any

import numpy as np

from imagebeam.modules.input_ranges import Front, Range, fitting_range, usual_range
from imagebeam.modules.litert.heads import operation_name

_ARITHMETIC = ("MUL", "ADD", "SUB", "DIV")
_TRANSPARENT = (
    "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR",
    "RESHAPE",
    "CAST",
    "STRIDED_SLICE",
    "REVERSE_V2",
)


def front_of(content: bytes) -> Front:
    """Return what the first operations of the flatbuffer `content` do with its pictures."""
    from ai_edge_litert import schema_py_generated as schema

    try:
        return _front(schema, schema.Model.GetRootAs(content, 0))
    except (struct.error, AttributeError, IndexError, TypeError, ValueError):
        return Front()


def tensor_names(content: bytes) -> list[str]:
    """Return the names of all tensors of the flatbuffer `content`."""
    from ai_edge_litert import schema_py_generated as schema

    try:
        graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
        return [
            (graph.Tensors(number).Name() or b"").decode("utf-8", "replace")
            for number in range(graph.TensorsLength())
        ]
    except (struct.error, AttributeError, IndexError, TypeError, ValueError):
        return []


def _front(schema: Any, model: Any) -> Front:
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
            values = _constant(schema, model, graph, user.Inputs(1), operators)
            if values is None or values.size not in (1, 3):
                break
            steps.append((name, values.ravel()))
        elif name == "QUANTIZE" and not steps:
            return Front(range=_calibrated_range(schema, graph.Tensors(user.Outputs(0))))
        elif name not in _TRANSPARENT:
            break
        tensor = user.Outputs(0)
    if not steps:
        return Front()

    def rescale(value: float) -> Any:
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

    return Front(True, fitting_range(rescale))


def _calibrated_range(schema: Any, quantised: Any) -> Range | None:
    """Return the usual range that fits the limits of a quantised tensor."""
    limits = {schema.TensorType.INT8: (-128, 127), schema.TensorType.UINT8: (0, 255)}
    parameters = quantised.Quantization()
    if quantised.Type() not in limits or parameters is None or parameters.ScaleLength() != 1:
        return None
    scale, zero_point = parameters.Scale(0), parameters.ZeroPoint(0)
    low, high = ((limit - zero_point) * scale for limit in limits[quantised.Type()])
    return usual_range(low, high)


def _inputs(operator: Any) -> list[int]:
    return [operator.Inputs(number) for number in range(operator.InputsLength())]


def _constant(schema: Any, model: Any, graph: Any, number: int, operators: list[Any]) -> Any:
    """Return the values of a constant, stored as float32 or as float16; None for other tensors."""
    dtypes = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16}
    tensor = graph.Tensors(number)
    data = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if isinstance(data, np.ndarray) and tensor.Type() in dtypes:
        return data.view(dtypes[tensor.Type()]).astype(np.float64)
    for maker in (each for each in operators if each.Outputs(0) == number):
        code = model.OperatorCodes(maker.OpcodeIndex())
        name = operation_name(schema, code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if name == "DEQUANTIZE":
            return _constant(schema, model, graph, maker.Inputs(0), operators)
    return None
