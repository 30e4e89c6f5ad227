"""Give a classifier that ends in a softmax its logits and its feature vector as outputs.

A published flatbuffer often has the scores as its only output. The tensors before the softmax are
in the graph: the logits, and the vector that the last layer multiplies. The graph is changed with
the flatbuffer schema that LiteRT ships, without TensorFlow.

A quantised softmax has steps of 1/256, in which most of a thousand classes have the score 0. So it
is cut off, with a conversion of its result, and the engine computes the scores from the logits. A
float softmax stays.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagebeam.modules.output_kinds import FEATURES, LOGITS, SCORES

_RESHAPING = ("RESHAPE", "SQUEEZE")
_CONVERTING = ("QUANTIZE", "DEQUANTIZE", "CAST")
_LAST_LAYERS = ("CONV_2D", "FULLY_CONNECTED")
# The result of these operations for one picture does not depend on the number of pictures.
_ANY_BATCH = (
    *("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D", "ADD", "MUL", "SUB"),
    *("RELU", "RELU6", "PAD", "QUANTIZE", "DEQUANTIZE", "LOGISTIC", "HARD_SWISH"),
)


@dataclass(frozen=True)
class ExposedHeads:
    """A flatbuffer with more outputs than its file.

    Attributes:
        content: the changed flatbuffer.
        outputs: for each head, its position among the outputs.
    """

    content: bytes
    outputs: Mapping[str, int]


def expose_heads(content: bytes) -> ExposedHeads | None:
    """Add logits, and features where they are one vector, to the outputs of `content`.

    Returns:
        The changed flatbuffer; None when `content` does not end in the softmax of a dense layer.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        return _expose(schema, model)
    except (struct.error, AttributeError, IndexError, TypeError, ValueError):
        # A damaged file: LiteRT states the reason when it opens it.
        return None


@dataclass(frozen=True)
class LastOperation:
    """The operation that computes an output.

    Attributes:
        name: for example CONV_2D.
        activates: whether an activation such as relu is part of it.
    """

    name: str
    activates: bool


def last_operation(content: bytes, tensor: int) -> LastOperation | None:
    """Return the operation that computes the tensor of this number; None if there is none.

    Operations that only change the form of its result are passed over.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    producers = {int(output): each for each in graph.operators for output in each.outputs}
    while (operator := producers.get(tensor)) is not None:
        code = model.operatorCodes[operator.opcodeIndex]
        name = operation_name(schema, code.builtinCode, code.deprecatedBuiltinCode)
        if name not in (*_RESHAPING, *_CONVERTING):
            activation = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
            return LastOperation(name, bool(activation))
        tensor = int(operator.inputs[0])
    return None


def has_operation(content: bytes, name: str) -> bool:
    """Tell if the flatbuffer `content` has an operation called `name`."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    codes = (model.OperatorCodes(number) for number in range(model.OperatorCodesLength()))
    return any(
        operation_name(schema, code.BuiltinCode(), code.DeprecatedBuiltinCode()) == name
        for code in codes
    )


def operation_name(schema: Any, code: int, deprecated_code: int) -> str:
    """Return the name of an operation, for example CONV_2D."""
    # Old files store the number in one byte, which cannot hold the numbers of newer operations.
    return names_by_value(schema.BuiltinOperator)[max(code, deprecated_code)]


def names_by_value(enumeration: type) -> dict[int, str]:
    """Return the names of an enumeration of the schema."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _expose(schema: Any, model: Any) -> ExposedHeads | None:
    graph = model.subgraphs[0]
    names = [
        operation_name(schema, code.builtinCode, code.deprecatedBuiltinCode)
        for code in model.operatorCodes
    ]
    producers = {
        int(output): (position, operator)
        for position, operator in enumerate(graph.operators)
        for output in operator.outputs
    }

    def before(tensor: int) -> int:
        """Follow a tensor back through operations that only change its shape."""
        while tensor in producers and names[producers[tensor][1].opcodeIndex] in _RESHAPING:
            tensor = int(producers[tensor][1].inputs[0])
        return tensor

    if len(model.subgraphs) != 1 or len(graph.outputs) != 1 or not graph.operators:
        return None
    end = softmax = graph.operators[-1]
    if names[end.opcodeIndex] in _CONVERTING and int(end.inputs[0]) in producers:
        _, softmax = producers[int(end.inputs[0])]
    if names[softmax.opcodeIndex] != "SOFTMAX" or int(end.outputs[0]) != graph.outputs[0]:
        return None
    logits = before(int(softmax.inputs[0]))
    if logits not in producers:
        return None
    position, last_layer = producers[logits]
    if names[last_layer.opcodeIndex] not in _LAST_LAYERS or not _is_vector(graph, logits):
        return None
    heads = {LOGITS: logits}
    if _is_vector(graph, features := before(int(last_layer.inputs[0]))):
        heads[FEATURES] = features
    if graph.tensors[int(softmax.outputs[0])].type == schema.TensorType.FLOAT32:
        heads[SCORES] = int(graph.outputs[0])
    else:
        graph.operators = graph.operators[: position + 1]
    graph.outputs = list(heads.values())
    # The signatures of the file name its old outputs.
    model.signatureDefs = None
    fixed = graph.tensors[int(graph.inputs[0])].shapeSignature is None
    if fixed and all(names[operator.opcodeIndex] in _ANY_BATCH for operator in graph.operators):
        for tensor in (int(graph.inputs[0]), *heads.values()):
            shape = [int(length) for length in graph.tensors[tensor].shape]
            graph.tensors[tensor].shapeSignature = [-1, *shape[1:]]
    return ExposedHeads(pack(model), {head: place for place, head in enumerate(heads)})


def _is_vector(graph: Any, tensor: int) -> bool:
    lengths = [int(length) for length in graph.tensors[tensor].shape][1:]
    return bool(lengths) and math.prod(lengths) == max(lengths)


def pack(model: Any) -> bytes:
    """Write a model of the schema as a flatbuffer."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
