"""Containers for tests: valid ones and hostile ones."""

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from imagebeam.images.containers.container import Container, open_container
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import Member, MemberProblem, MemberSelection
from imagebeam.images.errors import ImageError
from imagebeam.storage import tfrecord

PICTURES = {"a.jpg": b"first", "sub/ü b.PNG": b"second" * 300, "sub/c.webp": b"", "d.gif": b"4"}
"""Contents that are not pictures: containers do not look inside."""


def tar(
    content: Mapping[str, bytes] = PICTURES, mode: str = "w", form: int = tarfile.PAX_FORMAT
) -> bytes:
    """Return a tar; `mode` is that of `tarfile.open`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(content: Mapping[str, bytes] = PICTURES, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class RawEntry(NamedTuple):
    """A member of a zip with fields that no tool writes; it is stored without changes."""

    name: bytes
    data: bytes
    flags: int = 0
    extra: bytes = b""
    packed_size: int | None = None
    size: int | None = None
    start: int | None = None


def raw_zip(*entries: RawEntry) -> bytes:
    """Return a zip written field by field; None means the correct value."""
    body, index = b"", b""
    for entry in entries:
        true = len(entry.data)
        size = true if entry.size is None else entry.size
        packed_size = true if entry.packed_size is None else entry.packed_size
        start = len(body) if entry.start is None else entry.start
        checksum = zlib.crc32(entry.data)
        common = struct.pack("<HH4xIII", entry.flags, 0, checksum, packed_size, size)
        lengths = struct.pack("<HH", len(entry.name), len(entry.extra))
        index += b"PK\1\2" + struct.pack("<HH", 20, 20) + common + lengths
        index += struct.pack("<HHHII", 0, 0, 0, 0, start) + entry.name + entry.extra
        local = struct.pack("<HH", len(entry.name), 0)
        body += b"PK\3\4" + struct.pack("<H", 20) + common + local + entry.name + entry.data
    count = len(entries)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(index), len(body), 0)
    return body + index + b"PK\5\6" + end


def example(**features: bytes) -> bytes:
    """Return a tf.train.Example; two underscores in a name mean a slash."""
    made = tfrecord.Example()
    for name, value in features.items():
        made.features.feature[name.replace("__", "/")].bytes_list.value.append(value)
    data: bytes = made.SerializeToString()
    return data


def tfrecords(*records: bytes) -> bytes:
    """Return a TFRecord file."""
    buffer = io.BytesIO()
    for record in records:
        tfrecord.write(buffer, record)
    return buffer.getvalue()


def parquet(columns: Mapping[str, Any], rows_per_group: int = 2) -> bytes:
    """Return a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), buffer, row_group_size=rows_per_group)
    return buffer.getvalue()


def arrow(table: pa.Table, is_file: bool) -> bytes:
    """Return an Arrow file, or a stream, with two rows in a batch."""
    buffer = io.BytesIO()
    new = pa.ipc.new_file if is_file else pa.ipc.new_stream
    with new(buffer, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return buffer.getvalue()


def opened(
    data: bytes, kind: ContainerKind, selection: MemberSelection | None = None, **more: Any
) -> Container:
    """Open a container with these bytes."""
    return open_container(io.BytesIO(data), kind, selection, **more)


def content(container: Container, max_bytes: int = 1 << 20) -> dict[str, bytes | str]:
    """Return the content of each member, or the code of its problem, in listing order."""
    found: dict[str, bytes | str] = {}
    for entry in list(container):
        assert entry.name not in found
        found[entry.name] = (
            entry.error.code
            if isinstance(entry, MemberProblem)
            else _read(container, entry, max_bytes)
        )
    container.close()
    return found


def _read(container: Container, member: Member, max_bytes: int) -> bytes | str:
    try:
        return container.read(member.place, max_bytes, member.kind)
    except ImageError as error:
        return error.code
