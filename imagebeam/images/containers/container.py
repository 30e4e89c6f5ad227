"""One container of any kind: the images in it, and the bytes of each by its place."""

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, NamedTuple

from imagebeam.images.containers import tars, tfrecords, zips
from imagebeam.images.containers.content_kinds import SNIFFED_BYTES, kind_of_content
from imagebeam.images.containers.kinds import Compression, ContainerKind, kind_of
from imagebeam.images.containers.nested import NestedPlace
from imagebeam.images.containers.numbering import Numbering
from imagebeam.images.containers.streams import (
    ByteSource,
    CheckedFile,
    Decompressed,
)
from imagebeam.images.containers.types import (
    ContainerLimitError,
    ContainerLimits,
    DamagedContainerError,
    Entry,
    Member,
    MemberCounter,
    MemberProblem,
    MemberSelection,
    UnsupportedContainerError,
)
from imagebeam.images.containers.zip_methods import COMPRESSIONS
from imagebeam.images.errors import (
    ArchiveDamaged,
    ArchiveLimit,
    ArchiveUnsupported,
    BadMember,
    FileTooLarge,
    ImageError,
    ListingError,
    UnexpectedFetch,
    UnexpectedListing,
)
from imagebeam.images.listing.names import SNIFFED_BYTES as PICTURE_BYTES
from imagebeam.images.listing.names import NameRules, judge_content
from imagebeam.storage import StoreError
from imagebeam.storage.errors import describe_unexpected
from imagebeam.storage.uris import MEMBER

if TYPE_CHECKING:
    from imagebeam.images.containers.parquet_process import ParquetProcess

_DEFAULT_LIMITS = ContainerLimits()

_HEADERS = 1 << 17
"""Bytes of headers that reading a member may take besides its own."""

_UNREADABLE = "an archive of a kind that cannot be read inside another one. Unpack it"

_KNOWN = (DamagedContainerError, ContainerLimitError, UnsupportedContainerError)
_PROBLEMS: dict[type[Exception], type[ListingError]] = {
    DamagedContainerError: ArchiveDamaged,
    ContainerLimitError: ArchiveLimit,
    UnsupportedContainerError: ArchiveUnsupported,
}


def open_container(
    file: IO[bytes],
    kind: ContainerKind,
    selection: MemberSelection | None = None,
    limits: ContainerLimits = _DEFAULT_LIMITS,
    names: "MemberNames | None" = None,
) -> "Container":
    """Open a container.

    Args:
        file: a seekable file at any position; the caller closes it.
        kind: the kind by name, see `kind_of`. When members are listed, the content corrects it.
        selection: which part of a record holds the image.
        limits: what the container may cost.
        names: which members are listed.
    """
    selection, names = selection or MemberSelection(), names or MemberNames()
    return Container(file, kind, selection, limits, names)


class MemberNames:
    """Decides by name which members are listed.

    Args:
        rules: which names are left out.
        leave_out: receives reason and name of each member that is left out.
    """

    def __init__(
        self,
        rules: NameRules | None = None,
        leave_out: Callable[[str, str], None] = lambda reason, name: None,
    ) -> None:
        self.judge = (rules or NameRules()).judge
        self.leave_out = leave_out


def read_range(
    part: Callable[[int, int], bytes],
    kind: ContainerKind,
    place: tuple[int, ...],
    selection: MemberSelection,
    max_bytes: int,
) -> bytes:
    """Return the encoded image at a place that the listing gave, by a single read.

    Args:
        part: returns so many bytes from a position.
        kind: of a container whose members can be read by position.
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
    return open_container(window, kind, selection).read(place, max_bytes)


class _Window(io.BytesIO):
    """A part of a file at its position in the file."""

    def __init__(self, data: bytes, start: int) -> None:
        super().__init__(data)
        self._first = start

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        assert whence == io.SEEK_SET
        return super().seek(max(offset - self._first, 0)) + self._first


class Container:
    """The images in one container. Used by one thread at a time.

    Errors of the file itself, from its disk or server, pass through.

    Attributes:
        counter: of the members that the last listing has seen.
    """

    def __init__(
        self,
        file: IO[bytes],
        kind: ContainerKind,
        selection: MemberSelection,
        limits: ContainerLimits,
        names: "MemberNames",
    ) -> None:
        self._names = names
        self._kind = kind
        self._selection = selection
        self._limits = limits
        self._raw = file
        self._opened: dict[Compression | None, ByteSource] = {}
        self._nested: tuple[NestedPlace, ByteSource] | None = None
        self._parquet: ParquetProcess | None = None
        self.counter = MemberCounter(limits)

    def __iter__(self) -> Iterator[Entry]:
        """Yield the images in the container's order.

        Where the container is damaged or exceeds a limit, what lies before is listed, and a last
        problem without a name gives the reason.
        """
        found = 0
        self.counter = MemberCounter(self._limits)
        numbering = Numbering()
        try:
            for entry in self._entries():
                yield numbering.numbered(entry)
                found += 1
        except _KNOWN as error:
            before = f"; {found:,} images before that were found" if found else ""
            problem = next(row for kind, row in _PROBLEMS.items() if isinstance(error, kind))
            yield MemberProblem("", problem(f"{error}{before}"))
        except (StoreError, OSError):
            raise
        except Exception as error:
            yield MemberProblem("", UnexpectedListing(describe_unexpected(error)))

    def read(
        self, place: tuple[int, ...], max_bytes: int, kind: ContainerKind | None = None
    ) -> bytes:
        """Return the encoded image at a place that the listing gave.

        A compressed container is read from its start. The next read goes on where the last one
        ended: in the order of the listing, the container is decompressed once.

        Args:
            place: of the member.
            max_bytes: more than this is refused.
            kind: of the member; None is the kind that the container was opened with.

        Raises:
            ImageError: one of its leaves.
        """
        kind = kind or self._kind
        with _as_bad_member():
            if kind is ContainerKind.NESTED:
                archive, place = NestedPlace.parse(place)
                return self._read(self._nested_file(archive), archive.format, place, max_bytes)
            return self._read(self._file(kind.compression), kind.format, place, max_bytes)

    def close(self) -> None:
        """Give up what was opened to read members. The file itself stays open."""
        if self._parquet is not None:
            self._parquet.close()

    def _table(self) -> "ParquetProcess":
        # Imported where it is needed: it imports Arrow.
        from imagebeam.images.containers.parquet_process import ParquetProcess

        if self._parquet is None:
            self._parquet = ParquetProcess(self._raw, self._selection, self._limits)
        return self._parquet

    def _read(self, file: ByteSource, form: str, place: tuple[int, ...], max_bytes: int) -> bytes:
        match form:
            case "tar":
                return tars.read(file, place, max_bytes)
            case "zip":
                return zips.read(file, place, max_bytes, self._limits)
            case "tfrecord":
                return tfrecords.read(file, place, self._selection, max_bytes)
            case _:
                return self._table().read(place, max_bytes)

    def _entries(self) -> Iterator[Entry]:
        self._raw.seek(0)
        kind = kind_of_content(self._raw.read(SNIFFED_BYTES), self._kind)
        if kind.format == "parquet":
            return self._table().members(self.counter)
        return self._members(_Archive(self._file(kind.compression), kind, kind.format))

    def _members(self, archive: "_Archive") -> Iterator[Entry]:
        match archive.format:
            case "tar":
                return self._tar_members(archive)
            case "zip":
                return self._zip_members(archive)
            case _:
                return self._records(archive)

    def _tar_members(self, archive: "_Archive") -> Iterator[Entry]:
        nameless = 0
        for entry in tars.entries(archive.file, self._limits, self.counter):
            if entry.kind == tarfile.DIRTYPE:
                continue
            if not entry.name:
                nameless += 1
                continue
            place = (entry.start, entry.size)
            judgement = self._names.judge(entry.name)
            if judgement == "unknown" and entry.problem is None:
                archive.file.seek(entry.start)
                head = archive.file.read(min(PICTURE_BYTES, entry.size))
                judgement = judge_content(head)
            if judgement == "image":
                yield archive.entry(entry.name, place, entry.problem)
            elif judgement == "archive" and kind_of(entry.name) and entry.problem is None:
                yield from self._inner(archive, entry.name, *place, compression=None)
            else:
                self._names.leave_out(judgement, archive.full_name(entry.name))
        yield from _nameless(nameless)

    def _zip_members(self, archive: "_Archive") -> Iterator[Entry]:
        nameless = 0
        for entry in zips.entries(archive.file, self._limits, self.counter):
            if entry.is_folder:
                continue
            if not entry.name:
                nameless += 1
                continue
            judgement = self._names.judge(entry.name)
            if judgement == "unknown" and entry.problem is None:
                head = zips.head(archive.file, entry.place, PICTURE_BYTES, self._limits)
                judgement = judge_content(head)
            if judgement == "image":
                problem = BadMember(entry.problem) if entry.problem else None
                yield archive.entry(entry.name, entry.place, problem)
            elif judgement == "archive" and kind_of(entry.name):
                yield from self._archive_in_zip(archive, entry)
            else:
                self._names.leave_out(judgement, archive.full_name(entry.name))
        yield from _nameless(nameless)

    def _archive_in_zip(self, archive: "_Archive", entry: zips.ZipEntry) -> Iterator[Entry]:
        try:
            if entry.problem or entry.method not in COMPRESSIONS:
                raise BadMember(entry.problem or _UNREADABLE)
            start = zips.data_start(archive.file, entry.place)
        except BadMember as error:
            yield archive.entry(entry.name, (), error)
            return
        size, compression = entry.packed_size, COMPRESSIONS[entry.method]
        yield from self._inner(archive, entry.name, start, size, compression)

    def _records(self, archive: "_Archive") -> Iterator[Entry]:
        for entry in tfrecords.members(
            archive.file, archive.kind, self._selection, self._limits, self.counter
        ):
            if isinstance(entry, Member):
                yield archive.entry(entry.name, entry.place, None)
            else:
                yield archive.entry(entry.name, (), entry.error)

    def _inner(
        self,
        outer: "_Archive",
        name: str,
        start: int,
        size: int,
        compression: Compression | None,
    ) -> Iterator[Entry]:
        """Yield the members of an archive that is itself a member."""
        if outer.name:
            yield outer.entry(name, (), BadMember("an archive three levels deep. Unpack it"))
            return
        named = kind_of(name)
        assert named is not None
        place = NestedPlace(outer.kind.compression, start, size, compression, None, "tar")
        try:
            head = place.open(outer.file, self._limits).read(SNIFFED_BYTES)
            kind = kind_of_content(head, named)
            if kind.format == "parquet":
                yield outer.entry(name, (), BadMember(_UNREADABLE))
                return
            layers = (compression, kind.compression)
            first, second = layers if compression is not None else layers[::-1]
            place = place._replace(first=first, second=second, format=kind.format)
            yield from self._members(_Archive.inside(outer, name, place, kind, self._limits))
        except _KNOWN as error:
            yield outer.entry(name, (), BadMember(f"the archive in the archive: {error}"))

    def _file(self, compression: Compression | None) -> ByteSource:
        if compression not in self._opened:
            file: ByteSource = CheckedFile(self._raw)
            if compression is not None:
                file = Decompressed(file, compression, self._limits)
            self._opened[compression] = file
        return self._opened[compression]

    def _nested_file(self, place: NestedPlace) -> ByteSource:
        # Neighbours follow one another: only the last archive stays open.
        if self._nested is None or self._nested[0] != place:
            self._nested = (place, place.open(self._file(place.outer), self._limits))
        return self._nested[1]


class _Archive(NamedTuple):
    """A tar, zip or TFRecord file, by itself or inside another archive.

    Attributes:
        file: the archive's bytes, decompressed.
        kind: how its members are read.
        format: of the archive.
        name: of the archive where it is a member of another one; else "".
        place: of the archive in the other one, where its members must be decompressed.
        start: added to the positions of its members, where they lie in the other one.
    """

    file: ByteSource
    kind: ContainerKind
    format: str
    name: str = ""
    place: NestedPlace | None = None
    start: int = 0

    @staticmethod
    def inside(
        outer: "_Archive",
        name: str,
        place: NestedPlace,
        kind: ContainerKind,
        limits: ContainerLimits,
    ) -> "_Archive":
        """Return an archive that is a member of another one."""
        file = place.open(outer.file, limits)
        if place.first is None and outer.kind.compression is None:
            return _Archive(file, kind, kind.format, name, start=place.start)
        if place.first is None and kind.format == outer.kind.format:
            return _Archive(file, outer.kind, kind.format, name, start=place.start)
        return _Archive(file, ContainerKind.NESTED, kind.format, name, place)

    def full_name(self, name: str) -> str:
        """Return the name of a member, with that of the archive where it is a member too."""
        return f"{self.name}{MEMBER}{name}" if self.name else name

    def entry(self, name: str, place: tuple[int, ...], problem: ImageError | None) -> Entry:
        """Return what the listing says of a member."""
        name = self.full_name(name)
        if problem is not None:
            return MemberProblem(name, problem)
        if self.place is not None:
            return Member(name, self.place.of(place), self.kind)
        return Member(name, (self.start + place[0], *place[1:]), self.kind)


def _nameless(count: int) -> Iterator[Entry]:
    """Yield a problem of the archive where members have no name."""
    if count:
        yield MemberProblem("", ArchiveDamaged(f"{count:,} of its members have an empty name"))


@contextmanager
def _as_bad_member() -> Iterator[None]:
    try:
        yield
    except _KNOWN as error:
        raise BadMember(str(error)) from error
    except (ImageError, StoreError, OSError):
        raise
    except Exception as error:
        raise UnexpectedFetch(describe_unexpected(error)) from error
