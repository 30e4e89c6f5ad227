"""What a container is told and what it tells."""

from dataclasses import dataclass
from typing import NamedTuple

from imagebeam.images.errors import ImageError


class Member(NamedTuple):
    """One image in a container.

    Attributes:
        name: as the container has it; bytes that are not UTF-8 are surrogates.
        place: all that it takes to read it without the container's index.
    """

    name: str
    place: tuple[int, ...]


class MemberProblem(NamedTuple):
    """Something in a container that is no image that can be read.

    Attributes:
        name: of the member; "" for the container as a whole.
        error: what is wrong.
    """

    name: str
    error: ImageError


@dataclass(frozen=True)
class MemberSelection:
    """Which part of a record holds the image; tar and zip need none.

    Attributes:
        image_key: feature of a TFRecord's Example that holds the encoded image.
        image_column: of a Parquet file; None finds the only one that can hold images.
        id_key: feature or column that names the image; None names it by its number, `record=1`.
    """

    image_key: str = "image/encoded"
    image_column: str | None = None
    id_key: str | None = None


@dataclass(frozen=True)
class ContainerLimits:
    """What a container from a stranger may cost. Counted while it is read, not as it claims.

    Attributes:
        members: entries of a container, images or not.
        name_bytes: of a member's name.
        ratio: decompressed bytes for each compressed one, where more than `ratio_from` came out.
        ratio_from: bytes from which on the ratio counts: small flat pictures compress well.
        total_bytes: that a compressed container may come to.
        decompressor_bytes: of memory that an xz or zstd stream may ask for.
    """

    members: int = 50_000_000
    name_bytes: int = 65_536
    ratio: int = 1_000
    ratio_from: int = 1_000_000_000
    total_bytes: int = 10_000_000_000_000
    decompressor_bytes: int = 256_000_000


class DamagedContainerError(Exception):
    """A container that cannot be read any further; says where and why."""


class ContainerLimitError(Exception):
    """A container that goes over one of the caps; says which."""


class UnsupportedContainerError(Exception):
    """A container that nobody here can read; says what would help."""
