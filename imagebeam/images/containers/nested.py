"""Archives inside archives: which of them can be read, and where their members are.

An archive that is stored as it is lies in the outer file: its members have positions there. A
compressed one is decompressed from its start; the place of a member then says how.
"""

from typing import NamedTuple

from imagebeam.images.containers.kinds import Compression
from imagebeam.images.containers.streams import Decompressed, FilePart
from imagebeam.images.containers.types import ByteSource, ContainerLimits

_COMPRESSIONS = tuple(Compression)
_FORMATS = ("tar", "zip", "tfrecord")
_NONE = len(_COMPRESSIONS)
_PREFIX = 6


class NestedPlace(NamedTuple):
    """The place of a member of a compressed archive inside an archive, as numbers.

    Attributes:
        outer: compression of the outer archive as a whole.
        start: position in it, decompressed.
        size: bytes from there on.
        first: compression of these bytes.
        second: compression of what that gives: a `.tar.gz` in a zip has two.
        format: the format of the archive that this gives.
    """

    outer: Compression | None
    start: int
    size: int
    first: Compression | None
    second: Compression | None
    format: str

    @staticmethod
    def parse(place: tuple[int, ...]) -> tuple["NestedPlace", tuple[int, ...]]:
        """Split a place into that of the archive and that of the member in it."""
        outer, start, size, first, second, form = place[:_PREFIX]
        archive = NestedPlace(
            *(_compression(outer), start, size),
            *(_compression(first), _compression(second), _FORMATS[form]),
        )
        return archive, place[_PREFIX:]

    def of(self, place: tuple[int, ...]) -> tuple[int, ...]:
        """Return the place of a member of this archive."""
        codes = [_code(each) for each in (self.outer, self.first, self.second)]
        return (
            *(codes[0], self.start, self.size, codes[1], codes[2], _FORMATS.index(self.format)),
            *place,
        )

    def open(self, file: ByteSource, limits: ContainerLimits) -> ByteSource:
        """Return the archive as a file.

        Args:
            file: the outer archive, decompressed.
        """
        opened: ByteSource = FilePart(file, self.start, self.size)
        for compression in (self.first, self.second):
            if compression is not None:
                opened = Decompressed(opened, compression, limits)
        return opened


def _code(compression: Compression | None) -> int:
    return _NONE if compression is None else _COMPRESSIONS.index(compression)


def _compression(code: int) -> Compression | None:
    return None if code == _NONE else _COMPRESSIONS[code]
