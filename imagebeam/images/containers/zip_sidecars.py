"""Files beside the images of a zip whose values `--keep` copies: found by name, in any order.

Where a name comes several times, the last image of the name has the last file beside it, the one
before that the file before, and so on.
"""

import struct
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from imagebeam.images.containers import zips
from imagebeam.images.containers.errors import ContainerError
from imagebeam.images.containers.kept_values import MOST_BYTES, Sidecars, problem, sidecar_key
from imagebeam.images.containers.types import ByteSource, ContainerLimits, Entry, MemberCounter
from imagebeam.images.errors import BadMember, FileTooLarge

_PLACE = struct.Struct("<6q")
"""A place of `zips` as bytes: a tuple of numbers takes three times as much memory."""


class ZipSidecars:
    """The files beside the images of one zip.

    Args:
        columns: see `kept_values.Sidecars`; without any, nothing is read.
    """

    def __init__(self, file: ByteSource, columns: Sequence[str], limits: ContainerLimits) -> None:
        self._file = file
        self._columns = columns
        self._limits = limits
        self._sidecars = Sidecars(columns)
        self._places: dict[int, bytearray] | None = None
        self._images: Counter[int] = Counter()
        """Entries left to read, by the hash of their name; empty unless a sidecar is repeated."""

    def added(self, entry: Entry, name: str) -> Entry:
        """Return the entry of the image of this name with its values."""
        if not self._columns:
            return entry
        if self._places is None:
            self._places = self._found()
        images = 1
        if self._images:
            images = self._images[hash(name)]
            self._images[hash(name)] -= 1
        try:
            content = partial(self._content, images)
            return entry._replace(kept=self._sidecars.values(name, content))
        except (BadMember, FileTooLarge) as error:
            return problem(entry, BadMember(str(error)), len(self._columns))

    def _found(self) -> dict[int, bytearray]:
        """Return the places of the files that can lie beside an image, by the hash of the name."""
        found: dict[int, bytearray] = {}
        # Damage is reported where the images are listed.
        with suppress(ContainerError):
            for entry in zips.entries(self._file, self._limits, MemberCounter(self._limits)):
                if entry.problem is None and self._sidecars.has_extension(entry.name):
                    places = found.setdefault(hash(sidecar_key(entry.name)), bytearray())
                    places += _PLACE.pack(*entry.place)
            if any(len(places) > _PLACE.size for places in found.values()):
                again = zips.entries(self._file, self._limits, MemberCounter(self._limits))
                self._images = Counter(hash(entry.name) for entry in again)
        return found

    def _content(self, images: int, name: str) -> bytes | None:
        """Return the content of a file.

        Args:
            images: with the name of the image that it lies beside, from this one to the last.
        """
        assert self._places is not None
        if (packed := self._places.get(hash(sidecar_key(name)))) is None:
            return None
        start = max(0, len(packed) - images * _PLACE.size)
        return zips.read(self._file, _PLACE.unpack_from(packed, start), MOST_BYTES, self._limits)
