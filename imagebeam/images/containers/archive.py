"""An archive whose members are listed, and the names among them that are taken."""

from collections.abc import Callable
from typing import NamedTuple

from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.nested import NestedPlace
from imagebeam.images.containers.types import (
    ByteSource,
    ContainerLimits,
    Entry,
    Member,
    MemberProblem,
)
from imagebeam.images.errors import ImageError
from imagebeam.images.listing.names import NameRules
from imagebeam.storage.uris import MEMBER


class MemberNames:
    """Decides by name which members are listed.

    Args:
        rules: which names are left out.
        leave_out: receives reason and name of each member that is left out.

    Attributes:
        left_out: number of members that were left out.
    """

    def __init__(
        self,
        rules: NameRules | None = None,
        leave_out: Callable[[str, str], None] = lambda reason, name: None,
    ) -> None:
        self.judge = (rules or NameRules()).judge
        self.left_out = 0
        self._leave_out = leave_out

    def leave_out(self, reason: str, name: str) -> None:
        """Count a member that is left out."""
        self.left_out += 1
        self._leave_out(reason, name)


class Archive(NamedTuple):
    """A tar, zip or TFRecord file, by itself or inside another archive.

    Attributes:
        file: the archive's bytes, decompressed.
        kind: how its members are read.
        name: the name of the archive where it is a member of another one; else "".
        place: the place of the archive in the other one, where its members must be decompressed.
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
        outer: "Archive",
        name: str,
        place: NestedPlace,
        kind: ContainerKind,
        limits: ContainerLimits,
    ) -> "Archive":
        """Return an archive that is a member of another one."""
        file = place.open(outer.file, limits)
        if place.first is None and outer.kind.compression is None:
            return Archive(file, kind, kind.format, name, start=place.start)
        if place.first is None and kind.format == outer.kind.format:
            return Archive(file, outer.kind, kind.format, name, start=place.start)
        return Archive(file, ContainerKind.NESTED, kind.format, name, place)

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
