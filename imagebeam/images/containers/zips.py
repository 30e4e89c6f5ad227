"""Zip: the index by `zipfile`, members by their place."""

import bz2
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from imagebeam.images.containers.members import counted, is_wanted
from imagebeam.images.containers.types import (
    ContainerLimits,
    DamagedContainerError,
    Member,
    MemberProblem,
)
from imagebeam.images.errors import BadMember, FileTooLarge

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LARGEST_HEADER = _LOCAL_HEADER.size + 2 * 65_535
_SIGNATURE = b"PK\3\4"
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


def members(file: IO[bytes], caps: ContainerLimits) -> Iterator[Member | MemberProblem]:
    """The images of a zip, in the order of its index.

    Raises:
        DamagedContainerError: it has no index that makes sense.
        ContainerLimitError: it goes over a cap.
    """
    index, end = _index(file)
    overlapping = _overlapping(index)
    ends = _ends(index, end)
    for info in counted(index, caps):
        if info.is_dir() or not is_wanted(info.filename):
            continue
        if reason := _refusal(info, caps, overlapping):
            yield MemberProblem(info.filename, BadMember(reason))
            continue
        sizes = (info.compress_size, info.file_size)
        start = info.header_offset
        room = min(ends[start] - start, info.compress_size + _LARGEST_HEADER)
        yield Member(info.filename, (start, *sizes, info.compress_type, info.CRC, room))


def span(place: tuple[int, ...]) -> tuple[int, int]:
    """Start and size of what reading a member takes: to the start of the next, or of the index."""
    return place[0], place[-1]


def read(file: IO[bytes], place: tuple[int, ...], max_bytes: int) -> bytes:
    """The bytes of a member, as long as its checksum is right.

    Raises:
        ImageError: it is too large or damaged.
    """
    start, packed_size, size, method, checksum, _ = place
    if size > max_bytes:
        raise FileTooLarge(f"{size:,} bytes, over the limit of {max_bytes:,}")
    file.seek(start)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(_SIGNATURE):
        raise BadMember("the archive has another header there than its index says")
    _, name_size, extra_size = _LOCAL_HEADER.unpack(header)
    file.seek(start + _LOCAL_HEADER.size + name_size + extra_size)
    packed = file.read(packed_size)
    if len(packed) < packed_size:
        raise BadMember("the archive ends before the member does")
    data = _unpacked(packed, method, size)
    if len(data) != size:
        raise BadMember(f"it comes to another size than the {size:,} bytes announced")
    if zlib.crc32(data) != checksum:
        raise BadMember("its checksum is wrong")
    return data


def _index(file: IO[bytes]) -> tuple[list[zipfile.ZipInfo], int]:
    """What the index names, and where it starts itself."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.infolist(), archive.start_dir
    # Besides its own error it lets through what its parsing runs into.
    except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError) as error:
        raise DamagedContainerError(f"no index of a zip: {error}") from error


def _ends(index: list[zipfile.ZipInfo], end: int) -> dict[int, int]:
    """Where each member ends at the latest, by its start: where the next starts, or the index."""
    starts = sorted({info.header_offset for info in index})
    return dict(zip(starts, [*starts[1:], max(end, starts[-1])], strict=True)) if starts else {}


def _overlapping(index: list[zipfile.ZipInfo]) -> set[int]:
    """Where members start that share bytes with the next: no honest tool makes them."""
    ordered = sorted(index, key=lambda info: info.header_offset)
    shared = set()
    end, owner = 0, -1
    for info in ordered:
        if info.header_offset < end:
            shared |= {owner, info.header_offset}
        least = info.header_offset + _LOCAL_HEADER.size + info.compress_size
        if least > end:
            end, owner = least, info.header_offset
    return shared


def _refusal(info: zipfile.ZipInfo, caps: ContainerLimits, overlapping: set[int]) -> str | None:
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted. Pack the archive without a password"
    if info.compress_type not in _METHODS:
        return f"compression method {info.compress_type} is none of stored, deflate, bzip2"
    if info.header_offset in overlapping:
        return "it shares bytes with another member, as only bombs do"
    if info.file_size > caps.ratio * max(info.compress_size, 1) and info.file_size > 10_000_000:
        return f"it would decompress to over {caps.ratio:,} times its size"
    return None


def _unpacked(packed: bytes, method: int, size: int) -> bytes:
    """What packed bytes come to, but one byte more than announced at most."""
    decompressor: Any
    match method:
        case zipfile.ZIP_STORED:
            return packed
        case zipfile.ZIP_DEFLATED:
            decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
        case _:
            decompressor = bz2.BZ2Decompressor()
    try:
        data: bytes = decompressor.decompress(packed, size + 1)
    except (zlib.error, OSError, EOFError) as error:
        raise BadMember(f"its data is damaged: {error}") from error
    return data
