"""TFRecord files of `tf.train.Example`, written and read without TensorFlow.

One Example an image: `uri` bytes, `width` and `height` int64, and as asked for `label` bytes,
`score` float, `top_k/class` int64, `top_k/label` bytes and `top_k/score` float lists,
`logits` and `features` float lists. Text is UTF-8.

A record is its length (uint64, little-endian), the length's masked CRC-32C, the bytes, and their
masked CRC-32C: tensorflow/core/lib/io/record_writer.cc.
"""

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")


class DamagedRecordError(ValueError):
    """A TFRecord file that breaks off, fails a checksum or holds no Examples of ours."""


def encode(table: pa.Table) -> bytes:
    """The rows of a table of predictions as the content of a TFRecord file."""
    buffer = io.BytesIO()
    for row in table.to_pylist():
        # A shard that is done again leaves the same bytes: maps have no order of their own.
        _write(buffer, _example(row).SerializeToString(deterministic=True))
    return buffer.getvalue()


def uris(path: Path) -> Iterator[str]:
    """The `uri` of each Example in a file.

    Raises:
        DamagedRecordError: the file is no whole TFRecord file.
    """
    with path.open("rb") as file:
        while head := file.read(_LENGTH.size + _CHECKSUM.size):
            yield _uri(_read_record(head, file, path), path)


def count(path: Path) -> int:
    """The number of records in a file, from their lengths alone.

    Raises:
        DamagedRecordError: a length is damaged, or the file ends elsewhere than they say.
    """
    records = 0
    with path.open("rb") as file:
        while head := file.read(_LENGTH.size + _CHECKSUM.size):
            file.seek(_length(head, file, path) + _CHECKSUM.size, io.SEEK_CUR)
            records += 1
        if file.tell() != os.fstat(file.fileno()).st_size:
            raise _damaged(file, path)
    return records


def _read_record(head: bytes, file: io.BufferedReader, path: Path) -> bytes:
    data = file.read(_length(head, file, path))
    if file.read(_CHECKSUM.size) != _masked_checksum(data):
        raise _damaged(file, path)
    return data


def _length(head: bytes, file: io.BufferedReader, path: Path) -> int:
    # Unchecked, a single wrong bit would ask for more memory than there is.
    if head[_LENGTH.size :] != _masked_checksum(head[: _LENGTH.size]):
        raise _damaged(file, path)
    return int(_LENGTH.unpack(head[: _LENGTH.size])[0])


def _damaged(file: io.BufferedReader, path: Path) -> DamagedRecordError:
    return DamagedRecordError(
        f"{path}: breaks off or has a wrong checksum near byte {file.tell():,}"
    )


def _uri(record: bytes, path: Path) -> str:
    try:
        example = _Example.FromString(record)
        return str(example.features.feature["uri"].bytes_list.value[0].decode())
    except (DecodeError, LookupError, UnicodeDecodeError) as error:
        raise DamagedRecordError(f"{path}: a record is no Example with a `uri`") from error


def _example(row: dict[str, Any]) -> Any:
    example = _Example()
    feature = example.features.feature
    top_k = row.pop("top_k", None)
    for name, value in row.items():
        _fill(feature[name], value if isinstance(value, list) else [value])
    if top_k is not None:
        for name in ("class", "label", "score"):
            _fill(feature[f"top_k/{name}"], [entry[name] for entry in top_k])
    return example


def _fill(feature: Any, values: list[Any]) -> None:
    match values[0]:
        case str():
            feature.bytes_list.value.extend(value.encode() for value in values)
        case int():
            feature.int64_list.value.extend(values)
        case _:
            feature.float_list.value.extend(values)


def _write(buffer: io.BytesIO, data: bytes) -> None:
    length = _LENGTH.pack(len(data))
    buffer.write(length + _masked_checksum(length) + data + _masked_checksum(data))


def _masked_checksum(data: bytes) -> bytes:
    checksum = google_crc32c.value(data)
    return _CHECKSUM.pack((((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _example_class() -> Any:
    """`tf.train.Example`, described as in tensorflow/core/example/{example,feature}.proto.

    In a pool of its own: TensorFlow, where it is loaded too, registers the same names.
    """
    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="example.proto", package="tensorflow", syntax="proto3"
    )

    def message(name: str, *fields: tuple[str, int, str | int], parent: Any = file) -> Any:
        added = (parent.message_type if parent is file else parent.nested_type).add(name=name)
        for number, (field, label, of) in enumerate(fields, 1):
            entry = added.field.add(name=field, number=number, label=label)
            if isinstance(of, str):
                entry.type, entry.type_name = kind.TYPE_MESSAGE, f".tensorflow.{of}"
            else:
                entry.type = of
        return added

    one, many = kind.LABEL_OPTIONAL, kind.LABEL_REPEATED
    message("BytesList", ("value", many, kind.TYPE_BYTES))
    message("FloatList", ("value", many, kind.TYPE_FLOAT))
    message("Int64List", ("value", many, kind.TYPE_INT64))
    feature = message(
        "Feature",
        ("bytes_list", one, "BytesList"),
        ("float_list", one, "FloatList"),
        ("int64_list", one, "Int64List"),
    )
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    features = message("Features", ("feature", many, "Features.FeatureEntry"))
    entry = message(
        "FeatureEntry", ("key", one, kind.TYPE_STRING), ("value", one, "Feature"), parent=features
    )
    entry.options.map_entry = True
    message("Example", ("features", one, "Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))


_Example = _example_class()
