"""TFRecord files of `tf.train.Example`, one encoded image each."""

from collections.abc import Iterator
from typing import Any, cast

from imagebeam.images.containers.errors import DamagedContainerError
from imagebeam.images.containers.examples import Features
from imagebeam.images.containers.kept_values import of_features
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import (
    ByteSource,
    ContainerLimits,
    Entry,
    Member,
    MemberCounter,
    MemberProblem,
    MemberSelection,
)
from imagebeam.images.errors import BadMember, FileTooLarge
from imagebeam.storage import tfrecord
from imagebeam.storage.tfrecord import DamagedRecordError

_KEYS_SHOWN = 8


def members(
    file: ByteSource,
    kind: ContainerKind,
    selection: MemberSelection,
    limits: ContainerLimits,
    counter: MemberCounter,
) -> Iterator[Entry]:
    """Yield one image per record in the file's order; records are only read to find their names.

    Raises:
        DamagedContainerError: it cannot be read on.
        ContainerLimitError: it exceeds a limit.
    """
    try:
        for number, place in enumerate(tfrecord.places(cast(Any, file)), 1):
            counter.add()
            name = f"record={number}"
            kept: tuple[str | None, ...] = ()
            if selection.id_key is not None or selection.keep:
                try:
                    features = Features(_read(file, place, limits.index_bytes))
                    if selection.id_key is not None:
                        name = _name(features, selection.id_key)
                    kept = of_features(features, selection.keep)
                except (BadMember, FileTooLarge) as error:
                    yield MemberProblem(name, error, (None,) * len(selection.keep))
                    continue
            yield Member(name, place, kind, kept)
    except DamagedRecordError as error:
        raise DamagedContainerError(str(error)) from error


def span(place: tuple[int, ...]) -> tuple[int, int]:
    """Return start and size of the bytes that reading a record takes."""
    start, length = place
    return start, length + tfrecord.CHECKSUM_BYTES


def read(
    file: ByteSource, place: tuple[int, ...], selection: MemberSelection, max_bytes: int
) -> bytes:
    """Return the encoded image of a record.

    Raises:
        ImageError: it is too large, damaged, or holds no image under the key.
    """
    return _bytes(Features(_read(file, place, max_bytes)), selection.image_key)


def _read(file: ByteSource, place: tuple[int, ...], max_bytes: int) -> bytes:
    start, length = place
    if length > max_bytes:
        raise FileTooLarge(f"a record of {length:,} bytes, over the limit of {max_bytes:,}")
    try:
        return tfrecord.read(cast(Any, file), start, length)
    except DamagedRecordError as error:
        raise BadMember(str(error)) from error


def _name(features: Features, key: str) -> str:
    # Without a name, the image would have that of the whole file.
    if not (name := _bytes(features, key)):
        raise BadMember(f"the value of the key {key!r} is empty")
    return name.decode("utf-8", "surrogateescape")


def _bytes(features: Features, key: str) -> bytes:
    kind, values = features.values(key)
    if kind != "bytes" or not values:
        keys = ", ".join(sorted(features.payloads)[:_KEYS_SHOWN]) or "none"
        raise BadMember(f"no bytes under the key {key!r}; the record's keys: {keys}")
    if len(values) > 1:
        raise BadMember(f"{len(values):,} values under the key {key!r}. Write a record per image")
    return bytes(values[0])
