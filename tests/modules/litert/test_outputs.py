"""Test how the end of a network is found."""

from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as schema

from imagebeam.modules.engines.litert import LiteRTEngine
from imagebeam.modules.litert.graph import Graph, pack
from tests.modules.flatbuffers import echo


def _joined(**settings: Any) -> bytes:
    """Return a flatbuffer that joins its two outputs."""
    model = Graph(
        echo(output_shapes=((1, 12), (1, 12)), names=("first", "second"), **settings)
    ).model
    [graph] = model.subgraphs
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = "joined", [1, 24], 0, 0
    graph.tensors.append(tensor)
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONCATENATION
    code.version = 1
    operator.opcodeIndex, operator.inputs = len(model.operatorCodes), [*graph.outputs]
    operator.outputs = [len(graph.tensors) - 1]
    operator.builtinOptionsType = schema.BuiltinOptions.ConcatenationOptions
    operator.builtinOptions = schema.ConcatenationOptionsT()
    operator.builtinOptions.axis = 1
    model.operatorCodes.append(code)
    graph.operators.append(operator)
    graph.outputs = operator.outputs
    return pack(model)


@pytest.mark.parametrize(
    ("settings", "kinds", "percent"),
    [
        ({"softmax": True}, ["scores"], False),
        ({"softmax": True, "sigmoid": True, "factor": 100.0}, ["scores"], True),
        ({}, ["logits", "scores"], False),
    ],
)
def test_results_of_one_kind_may_be_joined(
    settings: dict[str, Any], kinds: list[str], percent: bool
) -> None:
    info = LiteRTEngine(_joined(**settings), "it").info
    assert (sorted(info.heads), info.percent) == (kinds, percent)
    assert info.independent is (kinds == ["scores"])
