"""Files beside the images of a zip whose values `--keep` copies: found by name, in any order."""

import struct
from collections.abc import Sequence
from contextlib import suppress

from imagebeam.images.containers import zips
from imagebeam.images.containers.kept_values import MOST_BYTES, Sidecars, problem
from imagebeam.images.containers.streams import ByteSource
from imagebeam.images.containers.types import (
    CONTAINER_ERRORS,
    ContainerLimits,
    Entry,
    MemberCounter,
)
from imagebeam.images.errors import BadMember, FileTooLarge

_PLACE = struct.Struct("<6q")
"""A place of `zips` as bytes: a tuple of numbers takes three times as much memory."""


class ZipSidecars:
    """The files beside the images of one zip.

    Args:
        file: of the zip.
        columns: see `kept_values.Sidecars`; without any, nothing is read.
        limits: see `ContainerLimits`.
    """

    def __init__(self, file: ByteSource, columns: Sequence[str], limits: ContainerLimits) -> None:
        self._file = file
        self._columns = columns
        self._limits = limits
        self._sidecars = Sidecars(columns)
        self._places: dict[int, bytes] | None = None

    def added(self, entry: Entry, name: str) -> Entry:
        """Return the entry of the image of this name with its values."""
        if not self._columns:
            return entry
        if self._places is None:
            self._places = self._found()
        try:
            return entry._replace(kept=self._sidecars.values(name, self._content))
        except (BadMember, FileTooLarge) as error:
            return problem(entry, BadMember(str(error)), len(self._columns))

    def _found(self) -> dict[int, bytes]:
        """Return the places of the files that can lie beside an image, by the hash of the name."""
        found: dict[int, bytes] = {}
        # Damage is reported where the images are listed.
        with suppress(*CONTAINER_ERRORS):
            for entry in zips.entries(self._file, self._limits, MemberCounter(self._limits)):
                if entry.problem is None and self._sidecars.has_extension(entry.name):
                    found[hash(_key(entry.name))] = _PLACE.pack(*entry.place)
        return found

    def _content(self, name: str) -> bytes | None:
        assert self._places is not None
        if (packed := self._places.get(hash(_key(name)))) is None:
            return None
        return zips.read(self._file, _PLACE.unpack(packed), MOST_BYTES, self._limits)


def _key(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return f"{stem}{dot}{extension.lower()}"
