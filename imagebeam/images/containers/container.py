"""One container of any kind: the images in it, and the bytes of each by its place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from imagebeam.images.containers import tars, tfrecords, zip_index, zips
from imagebeam.images.containers.archive import Archive, MemberNames
from imagebeam.images.containers.archive_walk import ArchiveWalk
from imagebeam.images.containers.content_kinds import SNIFFED_BYTES, kind_of_content
from imagebeam.images.containers.decompression_process import decompressed_head
from imagebeam.images.containers.errors import (
    ContainerError,
    DamagedContainerError,
    UnsupportedContainerError,
)
from imagebeam.images.containers.kinds import Compression, ContainerKind
from imagebeam.images.containers.nested import NestedPlace
from imagebeam.images.containers.numbering import numbered_after_the_first, numbered_before_the_last
from imagebeam.images.containers.streams import CheckedFile, Decompressed
from imagebeam.images.containers.types import (
    ByteSource,
    ContainerLimits,
    Entry,
    MemberCounter,
    MemberProblem,
    MemberSelection,
)
from imagebeam.images.containers.window import Window, check_span
from imagebeam.images.errors import BadMember, ImageError, UnexpectedFetch, UnexpectedListing
from imagebeam.images.foreign_kinds import foreign_kind
from imagebeam.storage import StoreError
from imagebeam.storage.errors import describe_unexpected

if TYPE_CHECKING:
    from imagebeam.images.containers.table_process import TableProcess

_DEFAULT_LIMITS = ContainerLimits()


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
        kind: the kind of a tar or TFRecord file that is not compressed.
        selection: which part of a record holds the image.
        max_bytes: more than this is refused.

    Raises:
        ImageError: one of its leaves.
    """
    start, size = {"tar": tars, "tfrecord": tfrecords}[kind.format].span(place)
    check_span(size, max_bytes)
    window = Window(part(start, size), start)
    return open_container(window, kind, selection).read(place, max_bytes)


class Container:
    """The images in one container. Used by one thread at a time.

    Errors of the file itself, from its disk or server, pass through.
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
        self._parquet: TableProcess | None = None
        self._counter = MemberCounter(limits)

    def __iter__(self) -> Iterator[Entry]:
        """Yield the images in the container's order.

        Where the container is damaged or exceeds a limit, what lies before is listed, and a last
        problem without a name gives the reason.

        Of the members of an archive that share a name, the last is the valid one and keeps the
        name. An archive is therefore read to its end first.
        """
        return self.entries()

    def look(self) -> Iterator[Entry]:
        """Yield the images as soon as they are found; a repeated name may stand for another one."""
        return self._listed(None)

    def entries(self, found: Callable[[int], object] = lambda number: None) -> Iterator[Entry]:
        """Yield the images as `iter` does, and report how many are found before the first."""
        return self._listed(found)

    def _listed(self, report: Callable[[int], object] | None) -> Iterator[Entry]:
        found = 0
        self._counter = MemberCounter(self._limits)
        try:
            for entry in self._entries(report):
                yield entry
                found += 1
        except ContainerError as error:
            yield MemberProblem("", self._reason(error, found))
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
            max_bytes: more than this is refused.
            kind: the kind of the member; None is the kind that the container was opened with.

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
        nested = [] if self._nested is None else [self._nested[1]]
        for file in (*nested, *self._opened.values()):
            if isinstance(file, Decompressed):
                file.close()

    def _table(self) -> "TableProcess":
        # Imported where it is needed: it imports Arrow.
        from imagebeam.images.containers.table_process import TableProcess

        if self._parquet is None:
            self._parquet = TableProcess(self._raw, self._selection, self._limits)
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

    def _entries(self, report: Callable[[int], object] | None) -> Iterator[Entry]:
        self._raw.seek(0)
        head = self._raw.read(SNIFFED_BYTES)
        # A TFRecord file without a record has no bytes either.
        if not head and self._kind is not ContainerKind.TFRECORD:
            raise DamagedContainerError("it has no bytes")
        kind = kind_of_content(head, self._kind)
        is_unknown = kind_of_content(head, ContainerKind.NESTED) is ContainerKind.NESTED
        if is_unknown and zip_index.is_at_end(self._file(None)):
            # A program that unpacks itself, for example.
            kind = ContainerKind.ZIP
        elif kind is self._kind and (foreign := foreign_kind(head)):
            raise UnsupportedContainerError(f"it is {foreign}")
        if kind.format == "parquet":
            return numbered_after_the_first(self._table().members(self._counter))
        walk = ArchiveWalk(self._selection, self._limits, self._counter, self._names)
        found = walk.members(Archive(self._file(kind.compression), kind, kind.format))
        if report is None or kind.format == "tfrecord":
            return numbered_after_the_first(found)
        return numbered_before_the_last(found, report)

    def _reason(self, error: ContainerError, found: int) -> ImageError:
        """Return why there are no more images after so many."""
        if found:
            return error.image_error(f"{error}; {found:,} images before that were found")
        shown = self._misnamed() or error
        return shown.image_error(str(shown))

    def _misnamed(self) -> UnsupportedContainerError | None:
        """Return the error for a compressed file that holds neither a tar nor a TFRecord file."""
        self._raw.seek(0)
        head = self._raw.read(SNIFFED_BYTES)
        compression = kind_of_content(head, ContainerKind.TAR).compression
        if compression is None:
            return None
        self._raw.seek(0)
        inner = decompressed_head(self._raw, compression, SNIFFED_BYTES)
        kind = kind_of_content(inner, ContainerKind.NESTED)
        if kind.format in ("nested", "tfrecord") or kind is ContainerKind.TAR:
            return None
        held = "compressed data" if kind.compression else f"a file of the kind {kind.format}"
        return UnsupportedContainerError(
            f"it is compressed by {compression.value} and holds {held}. Decompress it, and name "
            "what is in it"
        )

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


@contextmanager
def _as_bad_member() -> Iterator[None]:
    try:
        yield
    except ContainerError as error:
        raise BadMember(str(error)) from error
    except (ImageError, StoreError, OSError):
        raise
    except Exception as error:
        raise UnexpectedFetch(describe_unexpected(error)) from error
