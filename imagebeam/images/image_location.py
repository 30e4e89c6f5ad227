"""Where the bytes of an image are, beside its name."""

from typing import NamedTuple

from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import MemberOffset


class ImageLocation(NamedTuple):
    """What it takes to fetch an image. It may hold secrets, so it goes to workers and nowhere else.

    Attributes:
        address: of the image, or of the container that it is a member of.
        version: of that object when it was listed; "" where none is known.
        kind: name of the `ContainerKind`; None for an image that is an object itself.
        place: in the container.
    """

    address: str
    version: str = ""
    kind: str | None = None
    place: MemberOffset = ()

    @property
    def container(self) -> ContainerKind | None:
        """The kind of container that holds the image, if one does."""
        return None if self.kind is None else ContainerKind[self.kind]

    @property
    def read_together(self) -> int:
        """Neighbours that are best read one after the other, by one reader."""
        return 1 if self.container is None else self.container.read_together
