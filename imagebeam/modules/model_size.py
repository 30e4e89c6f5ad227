"""What a flatbuffer costs: its operations, parameters and multiplications, counted in the graph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class ModelSize:
    """Counts over one flatbuffer.

    Attributes:
        operations: how often each operation occurs.
        parameters: weights and biases of its convolutions and dense layers, batch norm folded.
        macs: multiplications and additions of one image in those.
        dtypes: how many tensors there are of each type.
    """

    operations: Mapping[str, int]
    parameters: int
    macs: int
    dtypes: Mapping[str, int]


def count_costs(content: bytes) -> ModelSize:
    """Count in the flatbuffer `content`, which LiteRT can open."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    operators = [graph.Operators(number) for number in range(graph.OperatorsLength())]
    names = [_operation_name(schema, model, operator) for operator in operators]
    tensors = [graph.Tensors(number) for number in range(graph.TensorsLength())]
    dtype_names = _names_by_value(schema.TensorType)
    weighted = [
        (name, _shapes(operator, tensors))
        for name, operator in zip(names, operators, strict=True)
        if name in _WEIGHTED
    ]
    return ModelSize(
        operations=dict(Counter(names)),
        parameters=sum(math.prod(shape) for _, shapes in weighted for shape in shapes[1:-1]),
        macs=sum(_macs(name, shapes) for name, shapes in weighted),
        dtypes=dict(Counter(dtype_names[tensor.Type()].lower() for tensor in tensors)),
    )


def _operation_name(schema: Any, model: Any, operator: Any) -> str:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Old files hold the number in a byte, which has no room for newer operations.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    return _names_by_value(schema.BuiltinOperator)[number]


def _names_by_value(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _shapes(operator: Any, tensors: list[Any]) -> list[list[int]]:
    """Shapes of the pictures, the weights, the bias if any, and the output."""
    inputs = [operator.Inputs(number) for number in range(operator.InputsLength())]
    present = [number for number in (*inputs, operator.Outputs(0)) if number >= 0]
    return [_shape(tensors[number]) for number in present]


def _shape(tensor: Any) -> list[int]:
    return [tensor.Shape(axis) for axis in range(tensor.ShapeLength())]


def _macs(name: str, shapes: list[list[int]]) -> int:
    _, weights, *_, output = shapes
    per_value = math.prod(weights[1:3]) if name == "DEPTHWISE_CONV_2D" else math.prod(weights[1:])
    # The batch length that a file has by default is that of one run, not of one image.
    return math.prod(output[1:]) * per_value
