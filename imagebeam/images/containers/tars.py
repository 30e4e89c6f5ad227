"""Tar: ustar, GNU and PAX, read header by header.

The headers are parsed by `tarfile`, but walked here: that of Python before 3.11.14 goes in circles
where a size is negative (CVE-2025-8194), and none of them yields what lies before the damage.
"""

import tarfile
from collections.abc import Iterator
from typing import IO, NamedTuple

from imagebeam.images.containers.members import counted, is_wanted
from imagebeam.images.containers.types import (
    ContainerLimits,
    DamagedContainerError,
    Member,
    MemberProblem,
)
from imagebeam.images.errors import BadMember, FileTooLarge, ImageError
from imagebeam.storage.uris import MEMBER

_BLOCK = tarfile.BLOCKSIZE
_END = b"\0" * _BLOCK
_TAR_SUFFIX = ".tar"


class _Entry(NamedTuple):
    name: str
    kind: bytes
    start: int
    size: int
    is_sparse: bool


def members(file: IO[bytes], caps: ContainerLimits) -> Iterator[Member | MemberProblem]:
    """The images of a tar, and of the tars in it, in its order.

    Raises:
        DamagedContainerError: it cannot be read on.
        ContainerLimitError: it goes over a cap.
    """
    for entry in counted(_entries(file, 0, None, caps), caps):
        if entry.kind in tarfile.REGULAR_TYPES and entry.name.lower().endswith(_TAR_SUFFIX):
            yield from _nested(file, entry, caps)
        elif is_wanted(entry.name):
            yield _judged(entry, entry.name)


def span(place: tuple[int, ...]) -> tuple[int, int]:
    """Start and size of what reading a member takes."""
    start, size = place
    return start, size


def read(file: IO[bytes], place: tuple[int, ...], max_bytes: int) -> bytes:
    """The bytes of a member.

    Raises:
        ImageError: it is too large, or not all there.
        DamagedContainerError: what it lies in cannot be read so far.
    """
    start, size = place
    if size > max_bytes:
        raise FileTooLarge(f"{size:,} bytes, over the limit of {max_bytes:,}")
    file.seek(start)
    data = file.read(size)
    if len(data) < size:
        raise BadMember(f"the archive ends after {len(data):,} of its {size:,} bytes")
    return data


def _nested(
    file: IO[bytes], outer: _Entry, caps: ContainerLimits
) -> Iterator[Member | MemberProblem]:
    inside = _entries(file, outer.start, outer.start + outer.size, caps)
    try:
        for entry in counted(inside, caps):
            if is_wanted(entry.name):
                yield _judged(entry, f"{outer.name}{MEMBER}{entry.name}")
    except DamagedContainerError as error:
        yield MemberProblem(outer.name, BadMember(f"the tar in the tar: {error}"))


def _judged(entry: _Entry, name: str) -> Member | MemberProblem:
    error: ImageError
    if entry.is_sparse:
        error = BadMember("a sparse file. Pack it without --sparse")
    elif entry.kind not in tarfile.REGULAR_TYPES:
        error = BadMember(f"{_named(entry.kind)}, not a regular file")
    else:
        return Member(name, (entry.start, entry.size))
    return MemberProblem(name, error)


def _named(kind: bytes) -> str:
    names = {tarfile.LNKTYPE: "a hard link", tarfile.SYMTYPE: "a link"}
    return names.get(kind, "a device, pipe or something unknown")


def _entries(
    file: IO[bytes], start: int, end: int | None, caps: ContainerLimits
) -> Iterator[_Entry]:
    """All entries from one place to another; each is at least a block further than the last."""
    at, name, pax = start, None, dict[str, str]()
    while True:
        header = _block(file, at, end)
        if header is None or header == _END:
            if header is None:
                raise DamagedContainerError(f"it ends at byte {at:,} without its end mark")
            return
        info = _parsed(header, at)
        at += _BLOCK
        match info.type:
            case tarfile.GNUTYPE_LONGNAME:
                name = _text(_data(file, at, info.size, end, caps)).rstrip("\0")
            case tarfile.XHDTYPE | tarfile.SOLARIS_XHDTYPE:
                pax = _pax(_data(file, at, info.size, end, caps), at)
            case tarfile.GNUTYPE_LONGLINK | tarfile.XGLTYPE:
                pass
            case _:
                size = _number(pax.get("size"), info.size, at)
                is_sparse = info.type == tarfile.GNUTYPE_SPARSE or any(
                    key.startswith("GNU.sparse") for key in pax
                )
                yield _Entry(
                    _clean(pax.get("path") or name or info.name), info.type, at, size, is_sparse
                )
                is_known = info.type in tarfile.SUPPORTED_TYPES
                has_data = info.type in tarfile.REGULAR_TYPES or is_sparse or not is_known
                at += _blocks(size) if has_data else 0
                name, pax = None, {}
                continue
        at += _blocks(info.size)


def _block(file: IO[bytes], at: int, end: int | None) -> bytes | None:
    if end is not None and at + _BLOCK > end:
        return None
    file.seek(at)
    header = file.read(_BLOCK)
    if not header:
        return None
    if len(header) < _BLOCK:
        raise DamagedContainerError(f"it ends within the header at byte {at:,}")
    return header


def _parsed(header: bytes, at: int) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise DamagedContainerError(f"no header at byte {at:,}: {error}") from error
    if info.size < 0:
        raise DamagedContainerError(f"a negative size at byte {at:,}")
    return info


def _data(file: IO[bytes], at: int, size: int, end: int | None, caps: ContainerLimits) -> bytes:
    if size > caps.name_bytes or (end is not None and at + size > end):
        raise DamagedContainerError(f"a name of {size:,} bytes at byte {at:,}")
    file.seek(at)
    data = file.read(size)
    if len(data) < size:
        raise DamagedContainerError(f"it ends within the name at byte {at:,}")
    return data


def _pax(data: bytes, at: int) -> dict[str, str]:
    """The records of a PAX header: LENGTH KEY=VALUE, the length counting itself and the end."""
    found = {}
    while data:
        digits, space, _ = data.partition(b" ")
        length = int(digits) if space and digits.isdigit() and len(digits) < 10 else 0
        record = data[len(digits) + 1 : length]
        key, sign, value = record.partition(b"=")
        if length > len(data) or not sign or not value.endswith(b"\n"):
            raise DamagedContainerError(f"a PAX header that makes no sense at byte {at:,}")
        found[_text(key)] = _text(value[:-1])
        data = data[length:]
    return found


def _number(text: str | None, otherwise: int, at: int) -> int:
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise DamagedContainerError(f"a size of {text!r} at byte {at:,}")
    return int(text)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _clean(name: str) -> str:
    # `tar cf x.tar .` puts it before each name.
    return name.removeprefix("./")


def _blocks(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
