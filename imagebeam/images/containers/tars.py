"""Tar: ustar, GNU and PAX, read header by header.

The headers are parsed by `tarfile` and walked here. `tarfile` before Python 3.11.14 loops forever
where a size is negative (CVE-2025-8194), and no version yields what lies before the damage.
"""

import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from imagebeam.images.containers.errors import ContainerLimitError, DamagedContainerError
from imagebeam.images.containers.types import ByteSource, ContainerLimits, MemberCounter
from imagebeam.images.errors import BadMember, FileTooLarge

_BLOCK = tarfile.BLOCKSIZE
_END = b"\0" * _BLOCK
_PADDING_AT_ONCE = 1 << 20
_LARGEST = 1 << 62


class TarEntry(NamedTuple):
    """The contents of one header.

    Attributes:
        kind: the type of `tarfile`.
        start: position of its data.
        is_sparse: whether holes were left out of its data.
    """

    name: str
    kind: bytes
    start: int
    size: int
    is_sparse: bool

    @property
    def problem(self) -> BadMember | None:
        """Why its data cannot be read as they lie; None where they can."""
        if self.is_sparse:
            return BadMember("a sparse file. Pack it without --sparse")
        if self.kind not in tarfile.REGULAR_TYPES:
            names = {tarfile.LNKTYPE: "a hard link", tarfile.SYMTYPE: "a link"}
            kind = names.get(self.kind, "a device, a pipe or of an unknown kind")
            return BadMember(f"{kind}, not a regular file")
        return None


def span(place: tuple[int, ...]) -> tuple[int, int]:
    """Return start and size of the bytes that reading a member takes."""
    start, size = place
    return start, size


def read(file: ByteSource, place: tuple[int, ...], max_bytes: int) -> bytes:
    """Return the bytes of a member.

    Raises:
        ImageError: it is too large or incomplete.
        DamagedContainerError: the archive cannot be read up to it.
    """
    start, size = place
    if size > max_bytes:
        raise FileTooLarge(f"{size:,} bytes, over the limit of {max_bytes:,}")
    file.seek(start)
    data = file.read(size)
    if len(data) < size:
        raise BadMember(f"the archive ends after {len(data):,} of its {size:,} bytes")
    return data


def entries(
    file: ByteSource, limits: ContainerLimits, counter: MemberCounter
) -> Iterator[TarEntry]:
    """Yield all entries in order; each is at least one block further than the last.

    A tar that follows the end mark of another is read too, as `tar --ignore-zeros` does.

    Args:
        counter: counts the entries.

    Raises:
        DamagedContainerError: it cannot be read on.
        ContainerLimitError: it exceeds a limit.
    """
    at, name, pax, is_ended = 0, None, dict[str, str](), False
    while True:
        header = _block(file, at)
        if header is None:
            if is_ended:
                return
            raise DamagedContainerError(f"it ends at byte {at:,} without its end mark")
        if header == _END:
            at, name, pax, is_ended = _skip_padding(file, at, limits), None, {}, True
            continue
        info = _parsed(header, at, is_ended)
        is_ended = False
        at += _BLOCK
        match info.type:
            case tarfile.GNUTYPE_LONGNAME:
                name = _text(_data(file, at, info.size, limits)).rstrip("\0")
            case tarfile.XHDTYPE | tarfile.SOLARIS_XHDTYPE:
                pax = _pax(_data(file, at, info.size, limits), at)
            case tarfile.GNUTYPE_LONGLINK | tarfile.XGLTYPE:
                pass
            case _:
                size = _number(pax.get("size"), info.size, at)
                is_sparse = info.type == tarfile.GNUTYPE_SPARSE or any(
                    key.startswith("GNU.sparse") for key in pax
                )
                counter.add()
                yield TarEntry(
                    _clean(pax.get("path") or name or info.name), info.type, at, size, is_sparse
                )
                is_known = info.type in tarfile.SUPPORTED_TYPES
                has_data = info.type in tarfile.REGULAR_TYPES or is_sparse or not is_known
                at += _blocks(size) if has_data else 0
                name, pax = None, {}
                continue
        at += _blocks(info.size)


def _skip_padding(file: ByteSource, at: int, limits: ContainerLimits) -> int:
    """Return the position of the first block behind zeros, or of the end."""
    start = at
    while True:
        if at - start > limits.padding_bytes:
            raise ContainerLimitError(
                f"more than {limits.padding_bytes:,} zeros follow its end mark at byte {start:,}"
            )
        file.seek(at)
        zeros = file.read(_PADDING_AT_ONCE)
        if rest := zeros.lstrip(b"\0"):
            return at + (len(zeros) - len(rest)) // _BLOCK * _BLOCK
        # Padding need not fill its last block.
        at += len(zeros)
        if len(zeros) < _PADDING_AT_ONCE:
            return at


def _block(file: ByteSource, at: int) -> bytes | None:
    file.seek(at)
    header = file.read(_BLOCK)
    if not header:
        return None
    if len(header) < _BLOCK:
        raise DamagedContainerError(f"it ends within the header at byte {at:,}")
    return header


def _parsed(header: bytes, at: int, is_ended: bool) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        if is_ended:
            reason = f"what follows its end mark at byte {at:,} is not a tar"
            raise DamagedContainerError(reason) from error
        raise DamagedContainerError(f"no header at byte {at:,}: {error}") from error
    if info.size < 0:
        raise DamagedContainerError(f"a negative size at byte {at:,}")
    if info.size > _LARGEST:
        raise DamagedContainerError(f"a size of {info.size:,} at byte {at:,}")
    return info


def _data(file: ByteSource, at: int, size: int, limits: ContainerLimits) -> bytes:
    if size > limits.name_bytes:
        raise DamagedContainerError(f"a name of {size:,} bytes at byte {at:,}")
    file.seek(at)
    data = file.read(size)
    if len(data) < size:
        raise DamagedContainerError(f"it ends within the name at byte {at:,}")
    return data


def _pax(data: bytes, at: int) -> dict[str, str]:
    """Parse the records of a PAX header: LENGTH KEY=VALUE; the length counts the whole record."""
    found = {}
    while data:
        digits, space, _ = data.partition(b" ")
        length = int(digits) if space and digits.isdigit() and len(digits) < 10 else 0
        record = data[len(digits) + 1 : length]
        key, sign, value = record.partition(b"=")
        if length > len(data) or not sign or not value.endswith(b"\n"):
            raise DamagedContainerError(f"an invalid PAX header at byte {at:,}")
        found[_text(key)] = _text(value[:-1])
        data = data[length:]
    return found


def _number(text: str | None, otherwise: int, at: int) -> int:
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _LARGEST):
        raise DamagedContainerError(f"a size of {text[:40]!r} at byte {at:,}")
    return int(text)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _clean(name: str) -> str:
    # `tar cf x.tar .` puts it before each name.
    return name.removeprefix("./")


def _blocks(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
