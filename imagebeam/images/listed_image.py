"""An image on its way through the job: its name, and where its bytes are."""

from typing import Any, NamedTuple

from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.errors import ImageError


class ImageLocation(NamedTuple):
    """Everything needed to fetch an image.

    It may hold secrets, such as a signed URL, so only workers receive it.

    Attributes:
        address: the address of the image, or of the container that it is a member of.
        version: the version of that object when it was listed; "" if unknown.
        kind: name of the `ContainerKind`; None for an image that is an object itself.
        place: position in the container; its meaning depends on the kind.
        digest: the digest that the bytes must have, as `KIND:HEX`; "" if none is known.
    """

    address: str
    version: str = ""
    kind: str | None = None
    place: tuple[int, ...] = ()
    digest: str = ""

    @property
    def container(self) -> ContainerKind | None:
        """The kind of container that holds the image, if one does."""
        return None if self.kind is None else ContainerKind[self.kind]

    @property
    def read_together(self) -> int:
        """The number of neighbours that one reader should read in sequence."""
        return 1 if self.container is None else self.container.read_together


class ListedImage(NamedTuple):
    """One image that an input names.

    Attributes:
        uri: its name in rows; see `imagebeam.images.uris`.
        location: where its bytes are, or the error that listing it ended in.
        extra_columns: values of the manifest columns that `--keep` copies to the output.
        ordinal: its position in its input. Neighbours end in one shard.
    """

    uri: str
    location: ImageLocation | ImageError
    extra_columns: tuple[Any, ...] = ()
    ordinal: int = 0

    @property
    def error(self) -> ImageError | None:
        """The error that listing it ended in, if it did."""
        return self.location if isinstance(self.location, ImageError) else None

    @property
    def is_streamed(self) -> bool:
        """Return whether the container must be read from its start to reach the image."""
        return not isinstance(self.location, ImageError) and self.location.read_together > 1
