"""Test which function of a flatbuffer is run."""

import re
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from imagebeam.modules.engines.litert import LiteRTEngine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.litert.graph import Graph, pack
from imagebeam.modules.litert.signatures import choose_function
from imagebeam.modules.module_options import ModuleOptions
from tests.modules.flatbuffers import echo

_PIXELS = np.random.default_rng(0).integers(0, 256, (3, 2, 2, 3), dtype=np.uint8)
_ROWS = (_PIXELS.reshape(3, 12) / 255).astype(np.float32)


def _signed(*names: str) -> bytes:
    """Return a flatbuffer with graphs that multiply pictures by 1, 2, …, in reversed order.

    Each is called by a name.
    """
    models = [Graph(echo(factor=float(number + 1))).model for number in range(len(names))]
    whole, *others = reversed(models)
    for model in others:
        for graph in model.subgraphs:
            for tensor in graph.tensors:
                # The first buffer of every file is empty.
                tensor.buffer += len(whole.buffers) if tensor.buffer else 0
        whole.buffers += model.buffers
        whole.subgraphs += model.subgraphs
    whole.signatureDefs = [
        _signature(name, place, whole.subgraphs[place])
        for place, name in enumerate(reversed(names))
    ]
    return pack(whole)


def _signature(name: str, place: int, graph: Any) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = name, place
    signature.inputs, signature.outputs = (
        [_tensor_map(key, int(numbers[0]))]
        for key, numbers in (("pictures", graph.inputs), ("out", graph.outputs))
    )
    return signature


def _tensor_map(name: str, tensor: int) -> Any:
    named = schema.TensorMapT()
    named.name, named.tensorIndex = name, tensor
    return named


def _logits(content: bytes, signature: str | None) -> Any:
    return LiteRTEngine(content, "it", ModuleOptions(signature=signature)).run(_PIXELS).logits


@pytest.mark.parametrize(
    ("names", "stated", "factor"),
    [
        (("serving_default", "other"), None, 1),
        (("other", "serving_default"), None, 2),
        (("other", "serving_default"), "other", 1),
        (("serving_default", "default", "third"), None, 1),
        (("serving_default", "default", "third"), "default", 2),
        (("serving_default", "default", "third"), "third", 3),
        (("only",), None, 1),
        (("only",), "only", 1),
    ],
)
def test_the_stated_or_the_default_function_is_run(
    names: tuple[str, ...], stated: str | None, factor: int
) -> None:
    np.testing.assert_allclose(_logits(_signed(*names), stated), _ROWS * factor, rtol=1e-6)


@pytest.mark.parametrize(
    ("names", "stated", "message"),
    [
        (
            ("first", "second"),
            None,
            "it: its signatures are second, first, and it is unclear which to use. Name one with "
            "--signature.",
        ),
        (
            ("first", "second"),
            "third",
            "it: it has no signature 'third'. Leave out --signature, or give one of second, first.",
        ),
    ],
)
def test_unclear_and_missing_signatures_are_refused(
    names: tuple[str, ...], stated: str | None, message: str
) -> None:
    with pytest.raises(ModuleError, match=f"^{re.escape(message)}$"):
        _logits(_signed(*names), stated)


def test_calls_between_graphs_follow_them() -> None:
    model = Graph(_signed("serving_default", "other", "third")).model
    call, loop, case = schema.OperatorT(), schema.OperatorT(), schema.OperatorT()
    call.builtinOptionsType = schema.BuiltinOptions.CallOptions
    call.builtinOptions = schema.CallOptionsT()
    call.builtinOptions.subgraph = 1
    loop.builtinOptionsType = schema.BuiltinOptions.WhileOptions
    loop.builtinOptions = schema.WhileOptionsT()
    loop.builtinOptions.condSubgraphIndex, loop.builtinOptions.bodySubgraphIndex = 2, 0
    case.builtinOptions2Type = schema.BuiltinOptions2.StablehloCaseOptions
    case.builtinOptions2 = schema.StablehloCaseOptionsT()
    case.builtinOptions2.branchSubgraphIndices = [0, 1, 2]
    for operator in (call, loop, case):
        operator.inputs, operator.outputs = [], []
    model.subgraphs[1].operators += [call, loop, case]
    # The graphs are those of "third", "other" and "serving_default": the last comes first.
    function = choose_function(pack(model), None, "it")
    moved = Graph(function.content).model
    call, loop, case = moved.subgraphs[1].operators[-3:]
    assert call.builtinOptions.subgraph == 1
    loops = (loop.builtinOptions.condSubgraphIndex, loop.builtinOptions.bodySubgraphIndex)
    assert loops == (0, 2)
    assert [*case.builtinOptions2.branchSubgraphIndices] == [2, 1, 0]
    places = {each.signatureKey.decode(): each.subgraphIndex for each in moved.signatureDefs}
    assert places == {"serving_default": 0, "other": 1, "third": 2}
