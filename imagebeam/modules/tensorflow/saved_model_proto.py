"""Read the protocol buffer of a SavedModel before TensorFlow loads it. Needs TensorFlow.

TF1 Hub format attaches messages to a module. Their reader left the library `tensorflow_hub` with
TensorFlow 1, so the two messages are declared here as in tensorflow_hub/module_attachment.proto
and tensorflow_hub/image_module_info.proto.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.types import GRAPH_FILE

_ATTACHMENTS = "hub_module_attachments"
_IMAGE_MODULE_INFO = "image_module_info"


def read_graphs(path: Path) -> list[Any]:
    """Read the MetaGraphDefs of a SavedModel, one per variant; raise ModuleError for damage."""
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString((path / GRAPH_FILE).read_bytes())
    except (DecodeError, OSError) as error:
        raise ModuleError(
            f"{str(path)!r}: its {GRAPH_FILE} cannot be read ({error}). Fetch the module again."
        ) from error
    return list(saved_model.meta_graphs)


def is_hub_module(path: Path) -> bool:
    """Return whether the SavedModel directory `path` is in TF1 Hub format."""
    return (path / "tfhub_module.pb").is_file()


def inference_tags(graphs: Sequence[Any]) -> list[str] | None:
    """Return the tags of the variant for inference; None lets TensorFlow choose.

    TF1 Hub format tags this variant with the empty set, models for serving with "serve".
    """
    variants = [set(graph.meta_info_def.tags) for graph in graphs]
    for wanted in (set[str](), {"serve"}):
        if wanted in variants:
            return sorted(wanted)
    return None


def has_fake_quantisation(graphs: Sequence[Any]) -> bool:
    """Return whether the graph has the fake quantisation nodes of quantisation-aware training."""
    return has_operation(graphs, "FakeQuantWithMinMax")


def has_operation(graphs: Sequence[Any], start: str) -> bool:
    """Return whether the graph or one of its functions has an operation whose name starts so."""
    return any(
        node.op.startswith(start)
        for graph in graphs
        for nodes in (
            graph.graph_def.node,
            *(function.node_def for function in graph.graph_def.library.function),
        )
        for node in nodes
    )


def declared_signatures(graphs: Sequence[Any]) -> dict[str, dict[str, dict[str, str]]]:
    """Describe inputs and outputs of every signature as "dtype [shape]"; "?" is a free length."""
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
    known = tensor.dtype in types_pb2.DataType.values()
    name = types_pb2.DataType.Name(tensor.dtype) if known else f"type {tensor.dtype}"
    return f"{name.removeprefix('DT_').lower()} {shape}"


def default_image_size(graphs: Iterable[Any]) -> tuple[int, int] | None:
    """Return the (height, width) attached to one of the MetaGraphDefs `graphs`, if any is.

    Raises:
        ModuleError: an attachment is damaged.
    """
    for graph in graphs:
        if _ATTACHMENTS not in graph.collection_def:
            continue
        for content in graph.collection_def[_ATTACHMENTS].bytes_list.value:
            try:
                attachment = _ModuleAttachment.FromString(content)
                if attachment.key == _IMAGE_MODULE_INFO:
                    size = _ImageModuleInfo.FromString(attachment.value).default_image_size
                    return (size.height, size.width) if size.height and size.width else None
            except DecodeError as error:
                raise ModuleError(
                    f"the attachments of the module are damaged ({error}). Fetch it again."
                ) from error
    return None


def _attachment_classes() -> tuple[Any, Any]:
    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="attachments.proto", package="tensorflow_hub", syntax="proto3"
    )
    messages: dict[str, dict[str, int | str]] = {
        "ModuleAttachment": {"key": kind.TYPE_STRING, "value": kind.TYPE_BYTES},
        "ImageSize": {"height": kind.TYPE_INT32, "width": kind.TYPE_INT32},
        "ImageModuleInfo": {"default_image_size": ".tensorflow_hub.ImageSize"},
    }
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, (field, of) in enumerate(fields.items(), 1):
            entry = message.field.add(name=field, number=number, label=kind.LABEL_OPTIONAL)
            if isinstance(of, str):
                entry.type, entry.type_name = kind.TYPE_MESSAGE, of
            else:
                entry.type = of
    # A private pool: `tensorflow_hub`, when it is imported too, registers the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return tuple(
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow_hub.{name}"))
        for name in ("ModuleAttachment", "ImageModuleInfo")
    )


_ModuleAttachment, _ImageModuleInfo = _attachment_classes()
