"""TFRecord files of `tf.train.Example` with an encoded image each."""

from collections.abc import Iterator
from typing import IO, Any

from google.protobuf.message import DecodeError

from imagebeam.images.containers.members import counted
from imagebeam.images.containers.types import (
    ContainerLimits,
    DamagedContainerError,
    Member,
    MemberProblem,
    MemberSelection,
)
from imagebeam.images.errors import BadMember, FileTooLarge
from imagebeam.storage import tfrecord
from imagebeam.storage.tfrecord import DamagedRecordError, Example

_KEYS_SHOWN = 8


def members(
    file: IO[bytes], selection: MemberSelection, caps: ContainerLimits
) -> Iterator[Member | MemberProblem]:
    """One image a record, in the file's order; records are read only where a key names them.

    Raises:
        DamagedContainerError: it cannot be read on.
        ContainerLimitError: it goes over a cap.
    """
    try:
        for number, place in enumerate(counted(tfrecord.places(file), caps), 1):
            name = f"record={number}"
            if selection.id_key is not None:
                try:
                    record = tfrecord.read(file, *place)
                    name = _bytes(record, selection.id_key).decode("utf-8", "surrogateescape")
                except BadMember as error:
                    yield MemberProblem(name, error)
                    continue
            yield Member(name, place)
    except DamagedRecordError as error:
        raise DamagedContainerError(str(error)) from error


def span(place: tuple[int, ...]) -> tuple[int, int]:
    """Start and size of what reading a record takes."""
    start, length = place
    return start, length + tfrecord.CHECKSUM_BYTES


def read(
    file: IO[bytes], place: tuple[int, ...], selection: MemberSelection, max_bytes: int
) -> bytes:
    """The encoded image of a record.

    Raises:
        ImageError: it is too large, damaged, or holds no image under the key.
    """
    start, length = place
    if length > max_bytes:
        raise FileTooLarge(f"a record of {length:,} bytes, over the limit of {max_bytes:,}")
    try:
        return _bytes(tfrecord.read(file, start, length), selection.image_key)
    except DamagedRecordError as error:
        raise BadMember(str(error)) from error


def _bytes(record: bytes, key: str) -> bytes:
    try:
        features: Any = Example.FromString(record).features.feature
    except DecodeError as error:
        raise BadMember("the record is no tf.train.Example") from error
    # A map makes an entry of whatever key it is asked for.
    values = list(features[key].bytes_list.value) if key in features else []
    if len(values) != 1:
        keys = ", ".join(sorted(features)[:_KEYS_SHOWN]) or "none"
        raise BadMember(f"no bytes under the key {key!r}; the record's keys: {keys}")
    return bytes(values[0])
