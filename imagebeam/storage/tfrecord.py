"""TFRecord files and the `tf.train.Example` in them, without TensorFlow.

A record is its length (uint64, little-endian), the length's masked CRC-32C, the bytes, and their
masked CRC-32C: tensorflow/core/lib/io/record_writer.cc.
"""

import struct
from collections.abc import Iterator
from typing import IO, Any

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

CHECKSUM_BYTES = 4
"""Size of the checksum behind a record's data."""

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
HEAD_BYTES = _LENGTH.size + _CHECKSUM.size
"""Size of what stands before a record's data: its length, with a checksum."""

_LARGEST = 1 << 62
"""Files cannot be longer: larger lengths are damage, and no position in a file."""


class DamagedRecordError(ValueError):
    """A TFRecord file that breaks off, fails a checksum or holds no Examples."""


def write(file: IO[bytes], data: bytes) -> None:
    """Append a record to a file."""
    length = _LENGTH.pack(len(data))
    file.write(length + _masked_checksum(length) + data + _masked_checksum(data))


def places(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """(start, length) of the data of each record, from their heads alone.

    Raises:
        DamagedRecordError: a length is damaged, or the file ends elsewhere than they say.
    """
    at = 0
    while True:
        file.seek(at)
        head = file.read(HEAD_BYTES)
        if not head:
            return
        # Unchecked, a single wrong bit would ask for more memory than there is.
        if not is_record_head(head):
            raise DamagedRecordError(f"breaks off or has a wrong checksum near byte {at:,}")
        length = int(_LENGTH.unpack(head[: _LENGTH.size])[0])
        end = at + HEAD_BYTES + length + _CHECKSUM.size
        if end > _LARGEST:
            raise DamagedRecordError(f"has a record of {length:,} bytes at byte {at:,}")
        # The last byte shows whether the record is complete.
        file.seek(end - 1)
        if not file.read(1):
            raise DamagedRecordError(f"breaks off or has a wrong checksum near byte {end:,}")
        yield at + HEAD_BYTES, length
        at = end


def is_record_head(head: bytes) -> bool:
    """Return whether these bytes are the length of a record with its checksum."""
    length, checksum = head[: _LENGTH.size], head[_LENGTH.size :]
    return len(head) == HEAD_BYTES and checksum == _masked_checksum(length)


def read(file: IO[bytes], start: int, length: int) -> bytes:
    """Return the data of a record at a place of `places`; raise DamagedRecordError for damage."""
    file.seek(start)
    data = file.read(length)
    if file.read(_CHECKSUM.size) != _masked_checksum(data):
        raise DamagedRecordError(f"breaks off or has a wrong checksum near byte {start:,}")
    return data


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


Example: Any = _example_class()
"""The message class of `tf.train.Example`."""
