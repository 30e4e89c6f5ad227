"""The messages that TF1 Hub format attaches to a module, here the size of its images.

TF-Hub's own reader left the library with TensorFlow 1, so the two small protocol buffers are
decoded here (tensorflow_hub/module_attachment.proto, tensorflow_hub/image_module_info.proto):

    ModuleAttachment { string key = 1; bytes value = 2; }
    ImageModuleInfo  { ImageSize default_image_size = 1; }
    ImageSize        { int32 height = 1; int32 width = 2; }
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

_COLLECTION = "hub_module_attachments"
_IMAGE_MODULE_INFO = b"image_module_info"
_VARINT, _BYTES = 0, 2


def default_image_size(meta_graphs: Iterable[Any]) -> tuple[int, int] | None:
    """(height, width) attached to one of the MetaGraphDefs `meta_graphs`; None without."""
    for graph in meta_graphs:
        if _COLLECTION not in graph.collection_def:
            continue
        for attachment in graph.collection_def[_COLLECTION].bytes_list.value:
            message = dict(_fields(attachment))
            if message.get(1) == _IMAGE_MODULE_INFO:
                return _image_size(message.get(2, b""))
    return None


def _image_size(image_module_info: bytes) -> tuple[int, int] | None:
    size = dict(_fields(dict(_fields(image_module_info)).get(1, b"")))
    height, width = size.get(1, 0), size.get(2, 0)
    return (height, width) if height and width else None


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The (number, value) pairs of a protocol buffer of varints and byte strings."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        value, position = _varint(message, position)
        if wire_type == _BYTES:
            yield number, message[position : position + value]
            position += value
        elif wire_type == _VARINT:
            yield number, value
        else:
            return


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message):
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            break
    return value, position
