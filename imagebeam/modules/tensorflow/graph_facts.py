"""Read from the graph of a SavedModel what its pictures and its outputs are. Needs TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from imagebeam.modules.input_ranges import Front
from imagebeam.modules.probes import POOLING, SIGMOID
from imagebeam.modules.tensorflow.freezing import Infer, freeze
from imagebeam.modules.tensorflow.rescaling import front_of

_RESHAPING = ("Identity", "IdentityN", "Reshape", "Squeeze", "Cast")
_POOLING = (
    *("Mean", "Max", "AvgPool", "MaxPool", "Relu", "Relu6", "Tanh", "Elu", "Selu"),
    *("LeakyRelu", "Softplus"),
)


@dataclass(frozen=True)
class GraphFacts:
    """The facts that a graph shows.

    Attributes:
        front: what its first operations do with pictures.
        ends: how each head ends, `SIGMOID` or `POOLING`, where it ends in one of them.
        names: of its operations.
    """

    front: Front = field(default_factory=Front)
    ends: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()


def graph_facts(infer: Infer, dtype: str, batch: int | None, size: tuple[int, int]) -> GraphFacts:
    """Freeze the function `infer` of pictures and read its graph.

    Args:
        infer: computes the heads of a batch.
        dtype: of the pictures.
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


def _end(nodes: Mapping[str, Any], name: str) -> str | None:
    while (node := nodes[name]).op in _RESHAPING:
        name = node.input[0].removeprefix("^").split(":")[0]
    if node.op == "Sigmoid":
        return SIGMOID
    return POOLING if node.op in _POOLING else None
