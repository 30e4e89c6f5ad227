"""Types that all container formats share."""

import io
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from imagebeam.images.containers.errors import ContainerLimitError
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.errors import ImageError


class ByteSource(Protocol):
    """The part of a binary file that the readers of containers use."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; fewer only at the end."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...


class Member(NamedTuple):
    """One image in a container.

    Attributes:
        name: the name in the container; bytes that are not UTF-8 are surrogates.
        place: everything needed to read the member without the container's index.
        kind: how to read the place. It differs from the kind that the file name suggests
            where the content is of another kind, and for archives inside archives.
        kept: values of the columns to keep, in their order; () where it has none.
    """

    name: str
    place: tuple[int, ...]
    kind: ContainerKind
    kept: tuple[str | None, ...] = ()


class MemberProblem(NamedTuple):
    """A part of a container that cannot be read as an image.

    Attributes:
        name: the name of the member; "" for the container as a whole.
        error: the reason.
        kept: values of the columns to keep, in their order; () where it has none.
        path: the path of a file that a record names instead of holding an image; None where it
            names none.
    """

    name: str
    error: ImageError
    kept: tuple[str | None, ...] = ()
    path: str | None = None


Entry = Member | MemberProblem


@dataclass(frozen=True)
class MemberSelection:
    """Which part of a record holds the image. Tar and zip ignore it.

    Attributes:
        image_key: feature of a TFRecord's Example that holds the encoded image.
        image_column: column of a Parquet file; None selects the only one that can hold images.
        id_key: feature or column that names the image; None names it by its number, `record=1`.
        keep: columns whose values the listing takes from files beside an image in a tar, by their
            extensions, or from features of its record. Zip and Parquet ignore it.
    """

    image_key: str = "image/encoded"
    image_column: str | None = None
    id_key: str | None = None
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class ContainerLimits:
    """Limits for containers that may be hostile. They count what is read, not what is claimed.

    Attributes:
        members: entries of a container, images or not.
        name_bytes: length of a member's name.
        index_bytes: size of a zip's index, or of a TFRecord that is read to find its name.
        ratio: decompressed bytes per compressed byte, once more than `ratio_from` came out.
        ratio_from: bytes from which on the ratio counts: small flat pictures compress well.
        total_bytes: decompressed size of a container.
        decompressor_bytes: memory that an xz, LZMA or zstd stream may ask for.
        padding_bytes: zeros after the end mark of a tar.
        process_bytes: address space of the process that reads a Parquet or Arrow file.
        decompression_bytes: address space of a process that decompresses.
    """

    members: int = 50_000_000
    name_bytes: int = 65_536
    index_bytes: int = 1_000_000_000
    ratio: int = 1_000
    ratio_from: int = 1_000_000_000
    total_bytes: int = 10_000_000_000_000
    decompressor_bytes: int = 256_000_000
    padding_bytes: int = 100_000_000
    process_bytes: int = 4_000_000_000
    decompression_bytes: int = 600_000_000


class MemberCounter:
    """Counts the members of one container, those of archives inside it included.

    Attributes:
        seen: members so far.
    """

    def __init__(self, limits: ContainerLimits) -> None:
        self.seen = 0
        self._limits = limits

    def add(self) -> None:
        """Count one more member; raise ContainerLimitError if there are too many."""
        if self.seen == self._limits.members:
            raise ContainerLimitError(f"it has more than {self.seen:,} members")
        self.seen += 1
