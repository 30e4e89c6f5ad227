"""Give a classifier its logits and its feature vector as outputs.

A published flatbuffer often has the scores as its only output. The tensors before a softmax are
in the graph: the logits, and the vector that the last layer multiplies. A classifier that ends in
sigmoids, or in the last layer itself, gets the vector only. The graph is changed with the
flatbuffer schema that LiteRT ships, without TensorFlow.

A quantised softmax has steps of 1/256, in which most of a thousand classes have the score 0. So it
is cut off, with a conversion of its result, and the engine computes the scores from the logits. A
float softmax stays.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from imagebeam.modules.litert.graph import UNREADABLE, Graph, pack
from imagebeam.modules.output_kinds import FEATURES, LOGITS, SCORES

RESHAPING = ("RESHAPE", "SQUEEZE")
CONVERTING = ("QUANTIZE", "DEQUANTIZE", "CAST")
# A hard sigmoid consists of several of these.
_ENDINGS = (
    *(*RESHAPING, *CONVERTING, "LOGISTIC", "SOFTMAX", "LOG_SOFTMAX", "RELU", "RELU6"),
    *("RELU_0_TO_1", "MAXIMUM", "MINIMUM", "ADD", "SUB", "MUL", "DIV"),
)
LAST_LAYERS = ("CONV_2D", "FULLY_CONNECTED")
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
        decided: False if "logits" is an output of the file, which may be something else.
    """

    content: bytes
    outputs: Mapping[str, int]
    decided: bool


def expose_heads(content: bytes, place: int = 0) -> ExposedHeads | None:
    """Give `content` the logits, and the features where they are one vector, as outputs.

    Args:
        content: a flatbuffer.
        place: that of the output that classifies; others are left out.

    Returns:
        The changed flatbuffer; None when this output does not end in a dense layer, or in a
        softmax, sigmoids or other changes of each value behind one.
    """
    try:
        return _expose(Graph(content), place)
    except UNREADABLE:
        return None


@dataclass(frozen=True)
class LastOperation:
    """The operation that computes an output.

    Attributes:
        name: for example CONV_2D.
        activates: whether an activation such as relu is part of it.
        percent: whether its result is multiplied by 100 afterwards.
        relu6: whether the activation is relu6.
    """

    name: str
    activates: bool
    percent: bool
    relu6: bool = False


def last_operation(graph: Graph, tensor: int, joins: bool = True) -> LastOperation | None:
    """Return the operation that computes the tensor of this number; None if there is none.

    Operations that only change the form of its result, multiply it by 100, or join the results of
    several operations of one kind, are passed over. A sixth of a relu6 is a hard sigmoid.

    Args:
        tensor: its number.
        joins: whether a joining counts.
    """
    producers, percent = graph.producers(), False
    while (operator := producers.get(tensor)) is not None:
        name = graph.name(operator)
        if name in (*RESHAPING, *CONVERTING):
            tensor = int(operator.inputs[0])
        elif not percent and (before := _multiplied(graph, operator, 100)) is not None:
            tensor, percent = before, True
        elif (before := _multiplied(graph, operator, 1 / 6)) is not None:
            inner = last_operation(graph, before, joins=False)
            hard = inner is not None and (inner.name == "RELU6" or inner.relu6)
            return LastOperation("LOGISTIC" if hard else name, False, percent)
        elif name in ("RELU", "MAXIMUM") and _is_at_most_one(graph, producers, operator):
            return LastOperation("RELU_0_TO_1", False, percent)
        elif name == "CONCATENATION" and joins:
            parts = {last_operation(graph, int(each), joins=False) for each in operator.inputs}
            part = parts.pop()
            return None if parts or part is None else replace(part, percent=percent or part.percent)
        else:
            activation = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
            relu6 = activation == graph.schema.ActivationFunctionType.RELU6
            return LastOperation(name, bool(activation), percent, relu6)
    return None


def _is_at_most_one(graph: Graph, producers: Mapping[int, Any], operator: Any) -> bool:
    """Return whether an operation, which keeps values above 0, gets the minimum of them and 1.

    The converter writes a limit to values from 0 to 1 so.
    """
    makers = [producers.get(int(number)) for number in operator.inputs]
    return any(
        maker is not None
        and graph.name(maker) == "MINIMUM"
        and any(
            (values := graph.constant(int(each))) is not None and (values == 1).all()
            for each in maker.inputs
        )
        for maker in makers
    )


def _multiplied(graph: Graph, operator: Any, factor: float) -> int | None:
    """Return the tensor that an operation multiplies by a factor; None for other operations."""
    if (name := graph.name(operator)) not in ("MUL", "DIV"):
        return None
    first, second = (int(number) for number in operator.inputs)
    for tensor, constant in ((first, second), (second, first)):
        values = graph.constant(constant)
        # Quantised constants are rounded.
        expected = factor if name == "MUL" else 1 / factor
        if values is not None and np.allclose(values, expected, rtol=0.01):
            return tensor
    return None


def _expose(graph: Graph, place: int) -> ExposedHeads | None:
    model, subgraph, producers = graph.model, graph.model.subgraphs[0], graph.producers()

    def before(tensor: int) -> int:
        """Follow a tensor back through operations that only change its shape."""
        while tensor in producers and graph.name(producers[tensor]) in RESHAPING:
            tensor = int(producers[tensor].inputs[0])
        return tensor

    if not graph.operators:
        return None
    output = int(subgraph.outputs[place])
    if (end := producers.get(output)) is None:
        return None
    if graph.name(end) in CONVERTING:
        end = producers.get(int(end.inputs[0]), end)
    softmax = graph.name(end) == "SOFTMAX"
    logits = before(int(end.inputs[0])) if softmax else _before_ending(graph, output)
    last_layer = producers.get(logits)
    if last_layer is None or graph.name(last_layer) not in LAST_LAYERS:
        return None
    vector = int(last_layer.inputs[0])
    vectors = [each for each in (before(vector), vector) if _is_vector(graph, each)]
    heads = {FEATURES: vectors[0]} if vectors else {}
    if not _is_vector(graph, logits) or not (heads or softmax):
        return None
    if not softmax:
        heads[LOGITS] = output
    else:
        heads[LOGITS] = logits
        if graph.tensors[int(end.outputs[0])].type == graph.schema.TensorType.FLOAT32:
            heads[SCORES] = output
        else:
            subgraph.operators = graph.operators[: graph.operators.index(last_layer) + 1]
    subgraph.outputs = list(heads.values())
    # The signatures of the file name its old outputs.
    model.signatureDefs = None
    fixed = graph.tensors[int(subgraph.inputs[0])].shapeSignature is None
    if fixed and all(graph.name(operator) in _ANY_BATCH for operator in subgraph.operators):
        for tensor in (int(subgraph.inputs[0]), *heads.values()):
            shape = [int(length) for length in graph.tensors[tensor].shape]
            graph.tensors[tensor].shapeSignature = [-1, *shape[1:]]
    places = {head: place for place, head in enumerate(heads)}
    return ExposedHeads(pack(model), places, softmax)


def _before_ending(graph: Graph, tensor: int) -> int:
    """Follow a tensor back through operations that change each of its values, such as sigmoids."""
    producers = graph.producers()
    while (operator := producers.get(tensor)) is not None and graph.name(operator) in _ENDINGS:
        changing = [each for each in map(int, operator.inputs) if graph.constant(each) is None]
        if graph.name(operator) in RESHAPING:
            changing = [int(operator.inputs[0])]
        if len(changing) != 1:
            break
        [tensor] = changing
    return tensor


def _is_vector(graph: Graph, tensor: int) -> bool:
    lengths = [int(length) for length in graph.tensors[tensor].shape][1:]
    return bool(lengths) and math.prod(lengths) == max(lengths)
