"""The protocol buffer of a SavedModel, read before TensorFlow loads it. Needs TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.layout import GRAPH_FILE


def read_graphs(path: Path) -> list[Any]:
    """The MetaGraphDefs of the SavedModel directory `path`, one a variant.

    Raises:
        ModuleError: the file is missing or damaged.
    """
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString((path / GRAPH_FILE).read_bytes())
    except (DecodeError, OSError) as error:
        raise ModuleError(
            f"{str(path)!r}: its {GRAPH_FILE} cannot be read ({error}). Fetch the module again."
        ) from error
    return list(saved_model.meta_graphs)


def inference_tags(graphs: Sequence[Any]) -> list[str] | None:
    """The tags of the variant for inference; None when TensorFlow may choose.

    TF1 Hub format tags it with the empty set, models for serving with "serve".
    """
    variants = [set(graph.meta_info_def.tags) for graph in graphs]
    for wanted in (set[str](), {"serve"}):
        if wanted in variants:
            return sorted(wanted)
    return None


def has_fake_quantisation(graphs: Sequence[Any]) -> bool:
    """Whether the network was trained to be quantised, as its nodes tell."""
    return any(
        node.op.startswith("FakeQuantWithMinMax")
        for graph in graphs
        for nodes in (
            graph.graph_def.node,
            *(function.node_def for function in graph.graph_def.library.function),
        )
        for node in nodes
    )


def declared_signatures(graphs: Sequence[Any]) -> dict[str, dict[str, dict[str, str]]]:
    """Inputs and outputs of every signature, each tensor as "dtype [shape]"; "?" is free."""
    return {
        name: {
            "inputs": {key: _describe(tensor) for key, tensor in sorted(signature.inputs.items())},
            "outputs": {
                key: _describe(tensor) for key, tensor in sorted(signature.outputs.items())
            },
        }
        for graph in graphs
        for name, signature in sorted(graph.signature_def.items())
        if not name.startswith("__")
    }


def _describe(tensor: Any) -> str:
    lengths = ", ".join("?" if dim.size < 0 else str(dim.size) for dim in tensor.tensor_shape.dim)
    shape = "of unknown rank" if tensor.tensor_shape.unknown_rank else f"[{lengths}]"
    return f"{types_pb2.DataType.Name(tensor.dtype).removeprefix('DT_').lower()} {shape}"
