"""Which members of an archive are images, and how many there may be."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from imagebeam.images.containers.types import ContainerLimitError, ContainerLimits
from imagebeam.images.listing.names import is_image_name

T = TypeVar("T")


def is_wanted(name: str) -> bool:
    """Whether a member is taken as an image: by its name, as files in folders are.

    Names with a part that starts with a dot are left out, and what macOS puts beside files.
    """
    parts = name.split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return is_image_name(name) and not hidden and "__MACOSX" not in parts


def counted(entries: Iterable[T], caps: ContainerLimits) -> Iterator[T]:
    """The entries, as long as they are not too many.

    Raises:
        ContainerLimitError: they are.
    """
    for number, entry in enumerate(entries):
        if number == caps.members:
            raise ContainerLimitError(f"it has more than {caps.members:,} members")
        yield entry
