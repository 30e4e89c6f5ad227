"""Where the bytes of an image are, beside its name."""

from typing import NamedTuple

from images.containers.kinds import Kind
from images.containers.records import Place


class Where(NamedTuple):
    """What it takes to fetch an image. It may hold secrets, so it goes to workers and nowhere else.

    Attributes:
        address: of the image, or of the container that it is a member of.
        version: of that object when it was listed; "" where none is known.
        kind: of the container, by its name in `Kind`; None for an image that is an object itself.
        place: in the container.
    """

    address: str
    version: str = ""
    kind: str | None = None
    place: Place = ()

    @property
    def container(self) -> Kind | None:
        """The kind of container that holds the image, if one does."""
        return None if self.kind is None else Kind[self.kind]

    @property
    def read_together(self) -> int:
        """Neighbours that are best read one after the other, by one reader."""
        return 1 if self.container is None else self.container.read_together
