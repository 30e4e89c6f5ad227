"""One container, whatever its kind: what is in it, and its members by place."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from imagebeam.images.containers import parquets, tars, tfrecords, zips
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.streams import Decompressed
from imagebeam.images.containers.types import (
    ContainerLimitError,
    ContainerLimits,
    DamagedContainerError,
    Member,
    MemberProblem,
    MemberSelection,
    UnsupportedContainerError,
)
from imagebeam.images.errors import (
    ArchiveDamaged,
    ArchiveLimit,
    ArchiveUnsupported,
    BadMember,
    FileTooLarge,
    ListingError,
)

_NO_CAPS = ContainerLimits()


_HEADERS = 1 << 17
"""Bytes that a member may take beside its own."""


def open_container(
    file: IO[bytes],
    kind: ContainerKind,
    selection: MemberSelection | None = None,
    caps: ContainerLimits = _NO_CAPS,
) -> "Container":
    """Look into a container.

    Args:
        file: that can be sought in, positioned anywhere; the caller closes it.
        kind: by its name, see `kind_of`.
        selection: which part of a record holds the image.
        caps: what it may cost.
    """
    return Container(file, kind, selection or MemberSelection(), caps)


def read_range(
    part: Callable[[int, int], bytes],
    kind: ContainerKind,
    place: tuple[int, ...],
    selection: MemberSelection,
    max_bytes: int,
) -> bytes:
    """The encoded image at a place that the listing gave, by one read of what it takes.

    Args:
        part: gives so many bytes from a start.
        kind: of a container whose members can be read by place.
        place: of the member.
        selection: which part of a record holds the image.
        max_bytes: more than this is refused.

    Raises:
        ImageError: one of its leaves.
    """
    start, size = {"tar": tars, "zip": zips, "tfrecord": tfrecords}[kind.format].span(place)
    if size > max_bytes + _HEADERS:
        raise FileTooLarge(f"{size:,} bytes, over the limit of {max_bytes:,}")
    window = _Window(part(start, size), start)
    return Container(window, kind, selection, _NO_CAPS).read(place, max_bytes)


class _Window(io.BytesIO):
    """A part of a file, at its place in it."""

    def __init__(self, data: bytes, start: int) -> None:
        super().__init__(data)
        self._first = start

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        assert whence == io.SEEK_SET
        return super().seek(offset - self._first) + self._first


class Container:
    """The images in one container; serves one thread at a time.

    What the file itself raises, when its disk or server fails, goes through.
    """

    def __init__(
        self,
        file: IO[bytes],
        kind: ContainerKind,
        selection: MemberSelection,
        caps: ContainerLimits,
    ) -> None:
        self._kind = kind
        self._selection = selection
        self._caps = caps
        self._raw = file
        self._opened: IO[bytes] | None = None
        self._rows: parquets.Rows | None = None

    def __iter__(self) -> Iterator[Member | MemberProblem]:
        """The images, in the container's order and in bounded memory.

        Where it is damaged or goes over a cap, what lies before is listed, and then one problem
        of the whole says what is wrong.
        """
        found = 0
        try:
            for entry in self._members():
                yield entry
                found += 1
        except (
            DamagedContainerError,
            ContainerLimitError,
            UnsupportedContainerError,
        ) as error:
            before = f"; {found:,} images before that were found" if found else ""
            yield MemberProblem("", _PROBLEMS[type(error)](f"{error}{before}"))

    def read(self, place: tuple[int, ...], max_bytes: int) -> bytes:
        """The encoded image at a place that the listing gave.

        A compressed container is read from its start, and goes on where the last read ended: in
        the order of the listing it is decompressed once.

        Raises:
            ImageError: one of its leaves.
        """
        with _as_bad_member():
            match self._kind.format:
                case "tar":
                    return tars.read(self._file(), place, max_bytes)
                case "zip":
                    return zips.read(self._file(), place, max_bytes)
                case "tfrecord":
                    return tfrecords.read(self._file(), place, self._selection, max_bytes)
                case _:
                    if self._rows is None:
                        self._rows = parquets.Rows(self._file(), self._selection)
                    return self._rows.read(place, max_bytes)

    def _members(self) -> Iterator[Member | MemberProblem]:
        match self._kind.format:
            case "tar":
                return tars.members(self._file(), self._caps)
            case "zip":
                return zips.members(self._file(), self._caps)
            case "tfrecord":
                return tfrecords.members(self._file(), self._selection, self._caps)
            case _:
                return parquets.members(self._file(), self._selection, self._caps)

    def _file(self) -> IO[bytes]:
        if self._opened is None:
            compression = self._kind.compression
            self._opened = (
                self._raw
                if compression is None
                else Decompressed(self._raw, compression, self._caps)  # type: ignore[assignment]
            )
            assert self._opened is not None
        return self._opened


_PROBLEMS: dict[type[Exception], type[ListingError]] = {
    DamagedContainerError: ArchiveDamaged,
    ContainerLimitError: ArchiveLimit,
    UnsupportedContainerError: ArchiveUnsupported,
}


@contextmanager
def _as_bad_member() -> Iterator[None]:
    try:
        yield
    except (DamagedContainerError, ContainerLimitError, UnsupportedContainerError) as error:
        raise BadMember(str(error)) from error
