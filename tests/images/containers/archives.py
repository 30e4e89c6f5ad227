"""Containers that tests make: sound ones, and those of strangers."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from imagebeam.images.containers.container import Container, open_container
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import Member, MemberProblem, MemberSelection
from imagebeam.images.errors import ImageError
from imagebeam.storage import tfrecord

PICTURES = {"a.jpg": b"first", "sub/ü b.PNG": b"second" * 300, "sub/c.webp": b"", "d.gif": b"4"}
"""Contents that are no pictures: containers do not look inside."""


def tar(
    content: Mapping[str, bytes] = PICTURES, mode: str = "w", form: int = tarfile.PAX_FORMAT
) -> bytes:
    """A tar; `mode` as for `tarfile.open`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(content: Mapping[str, bytes] = PICTURES, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def example(**features: bytes) -> bytes:
    """A tf.train.Example; two underscores in a name stand for a slash."""
    made = tfrecord.Example()
    for name, value in features.items():
        made.features.feature[name.replace("__", "/")].bytes_list.value.append(value)
    data: bytes = made.SerializeToString()
    return data


def tfrecords(*records: bytes) -> bytes:
    """A TFRecord file."""
    buffer = io.BytesIO()
    for record in records:
        tfrecord.write(buffer, record)
    return buffer.getvalue()


def parquet(columns: Mapping[str, Any], rows_per_group: int = 2) -> bytes:
    """A Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), buffer, row_group_size=rows_per_group)
    return buffer.getvalue()


def opened(
    data: bytes, kind: ContainerKind, selection: MemberSelection | None = None, **more: Any
) -> Container:
    """A container of these bytes."""
    return open_container(io.BytesIO(data), kind, selection, **more)


def content(container: Container, max_bytes: int = 1 << 20) -> dict[str, bytes | str]:
    """What each member holds, or the code of its problem; in the order of the listing."""
    found: dict[str, bytes | str] = {}
    for entry in list(container):
        assert entry.name not in found
        found[entry.name] = (
            entry.error.code
            if isinstance(entry, MemberProblem)
            else _read(container, entry, max_bytes)
        )
    return found


def _read(container: Container, member: Member, max_bytes: int) -> bytes | str:
    try:
        return container.read(member.place, max_bytes, member.kind)
    except ImageError as error:
        return error.code
