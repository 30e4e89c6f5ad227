"""Collect the facts that `imagebeam module show` prints, and count the size of a network."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imagebeam.modules.errors import defects_named
from imagebeam.modules.handles.digest import file_hashes
from imagebeam.modules.litert.flatbuffer import read_flatbuffer, read_interface
from imagebeam.modules.litert.graph import Graph, names_by_value
from imagebeam.modules.litert.tensors import Tensor
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.tensorflow.subprocess import run_task, tensorflow_is_installed
from imagebeam.modules.types import LITERT, ONNX_SUFFIX, Module

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class ModelSize:
    """Counts over one flatbuffer.

    Attributes:
        operations: how often each operation occurs.
        parameters: weights and biases of its convolutions and dense layers, batch norm folded.
        macs: multiply-accumulates of these layers for one image.
        dtypes: the number of tensors of each type.
    """

    operations: Mapping[str, int]
    parameters: int
    macs: int
    dtypes: Mapping[str, int]


def facts_of(module: Module) -> dict[str, Any]:
    """Collect all facts about an opened module as JSON values; None means unknown.

    TensorFlow reads the signatures of a SavedModel; they are None where it is not installed.
    """
    with defects_named(module.handle):
        return _facts(module)


def _facts(module: Module) -> dict[str, Any]:
    info = module.info
    network = dict(info.network or {})
    return {
        "handle": module.handle,
        "digest": module.digest,
        "format": _format(module.source),
        "bytes": sum(file.stat().st_size for file in _files(module.source)),
        "engine": module.engine,
        "engine_reason": module.engine_reason,
        "image_size": list(info.image_size),
        "value_range": list(info.value_range),
        "channel_ranges": info.channel_ranges and [list(each) for each in info.channel_ranges],
        "channels": info.channels,
        "range_origin": info.range_origin,
        "independent_scores": info.independent,
        "notes": list(module.notes),
        "heads": sorted(info.heads),
        "class_count": info.class_count,
        "feature_length": info.feature_length,
        "class_names": info.class_names and list(info.class_names),
        "class_names_assumed": info.names_assumed,
        "quantops": info.quantops,
        "parameters": network.pop("parameters", None),
        "macs": network.pop("macs", None),
        "network": network or None,
        "provenance": dict(info.provenance),
        "signatures": _signatures(module.source),
        "flatbuffer": _flatbuffer(module.path, info.options) if module.engine == LITERT else None,
    }


def _format(source: Path) -> str:
    if source.is_file():
        return "ONNX" if source.suffix == ONNX_SUFFIX else "LiteRT flatbuffer"
    return "TF1 Hub format" if (source / "tfhub_module.pb").exists() else "SavedModel"


def _files(source: Path) -> Iterator[Path]:
    if source.is_file():
        yield source
    else:
        yield from (source / name for name in file_hashes(source))


def _signatures(source: Path) -> Any:
    if source.is_file() or not tensorflow_is_installed():
        return None
    return run_task("signatures", path=str(source))


def _flatbuffer(path: Path, options: ModuleOptions) -> dict[str, Any]:
    content = read_flatbuffer(path)
    interface = read_interface(content, repr(str(path)), options)
    return {
        "bytes": len(content),
        "input": _describe(interface.input, interface.batch),
        "outputs": {
            head: _describe(tensor, interface.batch) for head, tensor in interface.outputs.items()
        },
        **asdict(count_costs(content)),
    }


def _describe(tensor: Tensor, batch: int | None) -> dict[str, Any]:
    return {
        "dtype": tensor.dtype.name,
        "shape": [batch, *tensor.shape[1:]],
        "scale": tensor.scale or None,
        "zero_point": tensor.zero_point if tensor.scale else None,
    }


def count_costs(content: bytes) -> ModelSize:
    """Count the operations, parameters and multiply-accumulates of the flatbuffer `content`."""
    graph = Graph(content)
    names = [graph.name(operator) for operator in graph.operators]
    dtype_names = names_by_value(graph.schema.TensorType)
    weighted = [
        (name, _shapes(graph, operator))
        for name, operator in zip(names, graph.operators, strict=True)
        if name in _WEIGHTED
    ]
    return ModelSize(
        operations=dict(Counter(names)),
        parameters=sum(math.prod(shape) for _, shapes in weighted for shape in shapes[1:-1]),
        macs=sum(_macs(name, shapes) for name, shapes in weighted),
        dtypes=dict(Counter(dtype_names[tensor.type].lower() for tensor in graph.tensors)),
    )


def _shapes(graph: Graph, operator: Any) -> list[list[int]]:
    """Return the shapes of the pictures, the weights, the bias if any, and the output."""
    present = [number for number in (*operator.inputs, operator.outputs[0]) if number >= 0]
    return [[int(length) for length in graph.tensors[number].shape] for number in present]


def _macs(name: str, shapes: list[list[int]]) -> int:
    _, weights, *_, output = shapes
    per_value = math.prod(weights[1:3]) if name == "DEPTHWISE_CONV_2D" else math.prod(weights[1:])
    # The output shape contains the batch length of the file; the result is for one image.
    return math.prod(output[1:]) * per_value
