"""Read from the graph of a SavedModel what its pictures and its outputs are. Needs TensorFlow."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from imagebeam.modules.input_ranges import Front
from imagebeam.modules.probes import PERCENT, POOLING, SIGMOID, SOFTMAX
from imagebeam.modules.several_outputs import (
    BIAS,
    DENSE,
    FORM,
    NOTHING_SEEN,
    SCORING,
    SeenOutput,
    SeenOutputs,
    Step,
)
from imagebeam.modules.tensorflow.freezing import Infer, freeze
from imagebeam.modules.tensorflow.rescaling import front_of

_RESHAPING = ("Identity", "IdentityN", "Reshape", "Squeeze", "Cast")
_SCORES = {"Sigmoid": SIGMOID, "Softmax": SOFTMAX}
_ROLES = {
    **dict.fromkeys(_RESHAPING, FORM),
    **dict.fromkeys(_SCORES, SCORING),
    **dict.fromkeys(("MatMul", "Conv2D"), DENSE),
}
_POOLING = (
    *("Mean", "Max", "AvgPool", "MaxPool", "Relu", "Relu6", "Tanh", "Elu", "Selu"),
    *("LeakyRelu", "Softplus"),
)


@dataclass(frozen=True)
class GraphFacts:
    """The facts that a graph shows.

    Attributes:
        front: what its first operations do with pictures.
        ends: how each head ends, see `probes`, where that is known.
    """

    front: Front = field(default_factory=Front)
    ends: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()


def graph_facts(infer: Infer, dtype: str, batch: int | None, size: tuple[int, int]) -> GraphFacts:
    """Freeze the function `infer` of pictures and read its graph.

    Args:
        infer: computes the heads of a batch.
        batch: the fixed length of the batch dimension, None when it is free.
        size: (height, width) of the pictures.
    """
    try:
        frozen = freeze(infer, tf.TensorSpec([batch or 1, *size, 3], dtype))
        graph = frozen.function.graph.as_graph_def()
        nodes = {node.name: node for node in graph.node}
        ends = {
            head: end
            for head, name in zip(frozen.heads, frozen.output_names, strict=True)
            if (end := _end(nodes, name)) is not None
        }
        return GraphFacts(front_of(graph, frozen.input_name), ends, tuple(nodes))
    except Exception:  # nothing is known then, whatever the graph has that cannot be frozen
        return GraphFacts()


def seen_outputs(infer: Infer, dtype: str, shape: Sequence[int | None]) -> SeenOutputs:
    """Freeze the function `infer`, which computes outputs by name, and return what each of them is.

    Args:
        infer: takes pictures as the module does.
        dtype: their type.
        shape: of a batch, with None for a free length.
    """
    try:
        frozen = freeze(infer, tf.TensorSpec(shape, dtype))
    except Exception:  # as above
        return NOTHING_SEEN
    nodes = {node.name: node for node in frozen.function.graph.as_graph_def().node}

    def step_back(tensor: Hashable) -> Step | None:
        node = nodes[str(tensor)]
        inputs = [each.split(":")[0] for each in node.input if not each.startswith("^")]
        if node.op in ("Add", "AddV2", "BiasAdd"):
            kept = [each for each in inputs if _before_reshaping(nodes, each).op != "Const"]
            return (BIAS, kept[0]) if len(kept) == 1 else None
        return (_ROLES[node.op], inputs[0]) if node.op in _ROLES else None

    names = zip(frozen.heads, frozen.output_names, strict=True)
    found = {head: SeenOutput(name, _end(nodes, name)) for head, name in names}
    return SeenOutputs(found, step_back)


def _end(nodes: Mapping[str, Any], name: str, joins: bool = True) -> str | None:
    node = _before_reshaping(nodes, name)
    if node.op == "ConcatV2" and joins:
        # The last input is the axis.
        ends = {_end(nodes, each, joins=False) for each in node.input[:-1]}
        return ends.pop() if len(ends) == 1 else None
    calculates = node.op in ("Mul", "RealDiv", "Maximum", "Minimum")
    inputs = [_before_reshaping(nodes, each) for each in node.input] if calculates else []
    constants = [
        tf.make_ndarray(each.attr["value"].tensor) for each in inputs if each.op == "Const"
    ]
    others = [each for each in inputs if each.op != "Const"]
    if len(constants) == len(others) == 1:
        [before], [constant] = others, constants
        if node.op == "Mul" and before.op in _SCORES and (constant == 100).all():
            return PERCENT
        factor = constant if node.op == "Mul" else 1 / np.maximum(constant, 1e-9)
        if node.op in ("Mul", "RealDiv") and before.op == "Relu6" and np.allclose(factor, 1 / 6):
            return SIGMOID
        other = {"Maximum": "Minimum", "Minimum": "Maximum"}.get(node.op)
        if before.op == other and _limits(nodes, before) | {float(constant.max())} == {0.0, 1.0}:
            return SIGMOID
    if node.op in _SCORES:
        return _SCORES[node.op]
    return POOLING if node.op in _POOLING else None


def _before_reshaping(nodes: Mapping[str, Any], name: str) -> Any:
    """Return the node of this name, or the one whose form it and others before it change."""
    while (node := nodes[name.removeprefix("^").split(":")[0]]).op in _RESHAPING:
        name = node.input[0]
    return node


def _limits(nodes: Mapping[str, Any], node: Any) -> set[float]:
    """Return the constants among the inputs of a node."""
    inputs = [_before_reshaping(nodes, each) for each in node.input]
    return {
        float(tf.make_ndarray(each.attr["value"].tensor).max())
        for each in inputs
        if each.op == "Const"
    }
