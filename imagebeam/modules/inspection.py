"""What `imagebeam module show` tells of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imagebeam.modules.handles.digest import file_hashes
from imagebeam.modules.litert.flatbuffer import Tensor, read_flatbuffer, read_interface
from imagebeam.modules.model_size import count_costs
from imagebeam.modules.tensorflow.subprocess import run_task, tensorflow_is_installed
from imagebeam.modules.types import LITERT, Module


def facts_of(module: Module) -> dict[str, Any]:
    """Everything known of an opened module, as JSON values; None is unknown.

    Signatures of a SavedModel are read by TensorFlow, and None where that is not installed.
    """
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
        "heads": sorted(info.heads),
        "class_count": info.class_count,
        "feature_length": info.feature_length,
        "class_names": info.class_names and list(info.class_names),
        "quantops": info.quantops,
        "parameters": network.pop("parameters", None),
        "macs": network.pop("macs", None),
        "network": network or None,
        "provenance": dict(info.provenance),
        "signatures": _signatures(module.source),
        "flatbuffer": _flatbuffer(module.path) if module.engine == LITERT else None,
    }


def _format(source: Path) -> str:
    if source.is_file():
        return "LiteRT flatbuffer"
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


def _flatbuffer(path: Path) -> dict[str, Any]:
    content = read_flatbuffer(path)
    interface = read_interface(content, repr(str(path)))
    costs = count_costs(content)
    return {
        "bytes": len(content),
        "input": _describe(interface.input, interface.batch),
        "outputs": {
            head: _describe(tensor, interface.batch) for head, tensor in interface.outputs.items()
        },
        "parameters": costs.parameters,
        "macs": costs.macs,
        "operations": dict(costs.operations),
        "dtypes": dict(costs.dtypes),
    }


def _describe(tensor: Tensor, batch: int | None) -> dict[str, Any]:
    return {
        "dtype": tensor.dtype.name,
        "shape": [batch, *tensor.shape[1:]],
        "scale": tensor.scale or None,
        "zero_point": tensor.zero_point if tensor.scale else None,
    }
