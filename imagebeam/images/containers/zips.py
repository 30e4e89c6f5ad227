"""Zip: members are listed from the index, which is parsed here, and read by position.

`zipfile` gives up a whole archive for one bad entry and holds an object per member. The format:
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

import binascii
from collections.abc import Iterator

from imagebeam.images.containers.errors import ContainerError
from imagebeam.images.containers.types import ByteSource, ContainerLimits, MemberCounter
from imagebeam.images.containers.zip_entries import LARGEST_HEADER, ZipEntry, entries_of
from imagebeam.images.containers.zip_index import LOCAL_HEADER, LOCAL_MARK, Index, indexes
from imagebeam.images.containers.zip_methods import Unpack, unpack
from imagebeam.images.errors import BadMember, FileTooLarge

_HEAD_BYTES = 4096
"""Packed bytes that are read to see what a member is."""


def entries(
    file: ByteSource, limits: ContainerLimits, counter: MemberCounter
) -> Iterator[ZipEntry]:
    """Yield the entries of a zip in the order of its index.

    Zips that were joined, as by `cat a.zip b.zip`, are all read.

    Raises:
        DamagedContainerError: it has no valid index, or none from here on.
        ContainerLimitError: it exceeds a limit.
        UnsupportedContainerError: it is one of several parts.
    """
    found: list[Index] = []
    problem: Exception | None = None
    try:
        for index in indexes(file, limits):
            found.append(index)
    except ContainerError as error:
        if not found:
            raise
        problem = error
    for index in reversed(found):
        yield from entries_of(index, limits, counter)
    if problem is not None:
        raise problem


def span(place: tuple[int, ...]) -> tuple[int, int]:
    """Return start and size of what reading a member takes: up to the next member or the index."""
    return place[0], place[-1]


def data_start(file: ByteSource, place: tuple[int, ...]) -> int:
    """Return the position of a member's packed bytes; raise BadMember if no member starts there."""
    start = place[0]
    file.seek(start)
    header = file.read(LOCAL_HEADER.size)
    if len(header) < LOCAL_HEADER.size or not header.startswith(LOCAL_MARK):
        raise BadMember("the archive has no header at the position that its index says")
    _, name_size, extra_size = LOCAL_HEADER.unpack(header)
    return int(start + LOCAL_HEADER.size + name_size + extra_size)


def head(file: ByteSource, place: tuple[int, ...], size: int, limits: ContainerLimits) -> bytes:
    """Return the first bytes of a member; none where they cannot be read."""
    _, packed_size, _, method, *_ = place
    try:
        file.seek(data_start(file, place))
        packed = file.read(min(packed_size, _HEAD_BYTES))
        return unpack(packed, method, size, limits)[:size]
    except BadMember:
        return b""


def read(
    file: ByteSource,
    place: tuple[int, ...],
    max_bytes: int,
    limits: ContainerLimits,
    unpack: Unpack = unpack,
) -> bytes:
    """Return the content of a member if its checksum is right.

    Args:
        max_bytes: more than this is refused.
        unpack: decompresses the member.

    Raises:
        ImageError: it is too large or damaged.
    """
    _, packed_size, size, method, checksum, _ = place
    # Compression can add a little to what cannot be compressed.
    if (largest := max(size, packed_size - LARGEST_HEADER)) > max_bytes:
        raise FileTooLarge(f"{largest:,} bytes, over the limit of {max_bytes:,}")
    file.seek(data_start(file, place))
    packed = file.read(packed_size)
    if len(packed) < packed_size:
        raise BadMember("the archive ends before the member does")
    data = unpack(packed, method, size, limits)
    if len(data) != size:
        raise BadMember(f"its size is not the {size:,} bytes that the index says")
    if binascii.crc32(data) != checksum:
        raise BadMember("its checksum is wrong")
    return data
