"""Read from the graph of a SavedModel what its pictures and its outputs are. Needs TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from imagebeam.modules.input_ranges import Front
from imagebeam.modules.probes import PERCENT, POOLING, SIGMOID, SOFTMAX
from imagebeam.modules.tensorflow.freezing import Infer, freeze
from imagebeam.modules.tensorflow.rescaling import front_of

_RESHAPING = ("Identity", "IdentityN", "Reshape", "Squeeze", "Cast")
_SCORES = {"Sigmoid": SIGMOID, "Softmax": SOFTMAX}
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


def _end(nodes: Mapping[str, Any], name: str, joins: bool = True) -> str | None:
    node = _before_reshaping(nodes, name)
    if node.op == "ConcatV2" and joins:
        # The last input is the axis.
        ends = {_end(nodes, each, joins=False) for each in node.input[:-1]}
        return ends.pop() if len(ends) == 1 else None
    inputs = [_before_reshaping(nodes, each) for each in node.input] if node.op == "Mul" else []
    percent = [each for each in inputs if each.op in _SCORES]
    if len(percent) == 1 and any(map(_is_hundred, inputs)):
        return PERCENT
    if node.op in _SCORES:
        return _SCORES[node.op]
    return POOLING if node.op in _POOLING else None


def _before_reshaping(nodes: Mapping[str, Any], name: str) -> Any:
    """Return the node of this name, or the one whose form it and others before it change."""
    while (node := nodes[name.removeprefix("^").split(":")[0]]).op in _RESHAPING:
        name = node.input[0]
    return node


def _is_hundred(node: Any) -> bool:
    return node.op == "Const" and bool((tf.make_ndarray(node.attr["value"].tensor) == 100).all())
