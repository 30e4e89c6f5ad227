"""Errors of containers and of compressed files. Their texts say where and why."""

from typing import ClassVar

from imagebeam.images.errors import ArchiveDamaged, ArchiveLimit, ArchiveUnsupported, ListingError


class ContainerError(Exception):
    """A container that cannot be read any further.

    Attributes:
        image_error: the error of the row that the container gets.
    """

    image_error: ClassVar[type[ListingError]]


class DamagedContainerError(ContainerError):
    """Its bytes are damaged, or there are too few of them."""

    image_error = ArchiveDamaged


class ContainerLimitError(ContainerError):
    """It exceeds one of the limits; the text says which."""

    image_error = ArchiveLimit


class UnsupportedContainerError(ContainerError):
    """It is of a kind that cannot be read; the text says what would help."""

    image_error = ArchiveUnsupported
