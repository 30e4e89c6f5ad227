"""Walk through the members of an archive, and of the archives in it."""

import tarfile
from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

from imagebeam.images.containers import tars, tfrecords, zips
from imagebeam.images.containers.content_kinds import SNIFFED_BYTES, kind_of_content
from imagebeam.images.containers.kept_values import MOST_BYTES, Sidecar, Sidecars
from imagebeam.images.containers.kinds import Compression, ContainerKind, kind_of
from imagebeam.images.containers.nested import NestedPlace
from imagebeam.images.containers.streams import ByteSource
from imagebeam.images.containers.types import (
    ContainerLimitError,
    ContainerLimits,
    DamagedContainerError,
    Entry,
    Member,
    MemberCounter,
    MemberProblem,
    MemberSelection,
    UnsupportedContainerError,
)
from imagebeam.images.containers.zip_entries import ZipEntry
from imagebeam.images.containers.zip_methods import COMPRESSIONS
from imagebeam.images.containers.zip_sidecars import ZipSidecars
from imagebeam.images.errors import ArchiveDamaged, BadMember, ImageError
from imagebeam.images.listing.names import SNIFFED_BYTES as PICTURE_BYTES
from imagebeam.images.listing.names import NameRules, judge_content
from imagebeam.storage.uris import MEMBER

KNOWN_ERRORS = (DamagedContainerError, ContainerLimitError, UnsupportedContainerError)
"""Errors after which an archive is not read any further."""

_UNREADABLE = "an archive of a kind that cannot be read inside another one. Unpack it"


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
        format: of the archive.
        name: of the archive where it is a member of another one; else "".
        place: of the archive in the other one, where its members must be decompressed.
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


class ArchiveWalk:
    """Yields the images of archives.

    Args:
        selection: which part of a record holds the image.
        limits: what an archive may cost.
        counter: counts the members.
        names: which members are listed.
    """

    def __init__(
        self,
        selection: MemberSelection,
        limits: ContainerLimits,
        counter: MemberCounter,
        names: MemberNames,
    ) -> None:
        self._selection = selection
        self._limits = limits
        self._counter = counter
        self._names = names

    def members(self, archive: Archive) -> Iterator[Entry]:
        """Yield the images of an archive, and of the archives in it."""
        match archive.format:
            case "tar":
                if not self._selection.keep:
                    return cast(Iterator[Entry], self._tar_members(archive))
                sidecars = Sidecars(self._selection.keep)
                return sidecars.added(self._tar_members(archive, sidecars))
            case "zip":
                return self._zip_members(archive)
            case _:
                return self._records(archive)

    def _tar_members(
        self, archive: Archive, sidecars: Sidecars | None = None
    ) -> Iterator[Entry | Sidecar]:
        nameless = 0
        for entry in tars.entries(archive.file, self._limits, self._counter):
            if entry.kind == tarfile.DIRTYPE:
                continue
            if not entry.name:
                nameless += 1
                continue
            place = (entry.start, entry.size)
            judgement = self._names.judge(entry.name)
            if judgement == "unknown" and entry.problem:
                judgement = "other_kind"
            elif judgement == "unknown":
                archive.file.seek(entry.start)
                head = archive.file.read(min(PICTURE_BYTES, entry.size))
                judgement = judge_content(head)
            if judgement == "image":
                yield archive.entry(entry.name, place, entry.problem)
            elif judgement == "archive" and kind_of(entry.name) and entry.problem is None:
                yield from self._inner(archive, entry.name, *place, compression=None)
            else:
                is_taken = judgement not in ("hidden", "excluded") and entry.problem is None
                if sidecars is not None and is_taken and sidecars.takes(entry.name):
                    data = None
                    if entry.size <= MOST_BYTES:
                        archive.file.seek(entry.start)
                        data = archive.file.read(entry.size)
                    yield Sidecar(archive.full_name(entry.name), data)
                self._names.leave_out(judgement, archive.full_name(entry.name))
        yield from _nameless(nameless)

    def _zip_members(self, archive: Archive) -> Iterator[Entry]:
        nameless = 0
        beside = ZipSidecars(archive.file, self._selection.keep, self._limits)
        for entry in zips.entries(archive.file, self._limits, self._counter):
            if entry.is_folder:
                continue
            if not entry.name:
                nameless += 1
                continue
            judgement = self._names.judge(entry.name)
            if judgement == "unknown" and entry.problem:
                judgement = "other_kind"
            elif judgement == "unknown":
                head = zips.head(archive.file, entry.place, PICTURE_BYTES, self._limits)
                judgement = judge_content(head)
            if judgement == "image":
                problem = BadMember(entry.problem) if entry.problem else None
                yield beside.added(archive.entry(entry.name, entry.place, problem), entry.name)
            elif judgement == "archive" and kind_of(entry.name):
                yield from self._archive_in_zip(archive, entry)
            else:
                self._names.leave_out(judgement, archive.full_name(entry.name))
        yield from _nameless(nameless)

    def _archive_in_zip(self, archive: Archive, entry: ZipEntry) -> Iterator[Entry]:
        try:
            if entry.problem or entry.method not in COMPRESSIONS:
                raise BadMember(entry.problem or _UNREADABLE)
            start = zips.data_start(archive.file, entry.place)
        except BadMember as error:
            yield archive.entry(entry.name, (), error)
            return
        size, compression = entry.packed_size, COMPRESSIONS[entry.method]
        yield from self._inner(archive, entry.name, start, size, compression)

    def _records(self, archive: Archive) -> Iterator[Entry]:
        for entry in tfrecords.members(
            archive.file, archive.kind, self._selection, self._limits, self._counter
        ):
            if isinstance(entry, Member):
                yield archive.entry(entry.name, entry.place, None)._replace(kept=entry.kept)
            else:
                yield archive.entry(entry.name, (), entry.error)._replace(kept=entry.kept)

    def _inner(
        self,
        outer: Archive,
        name: str,
        start: int,
        size: int,
        compression: Compression | None,
    ) -> Iterator[Entry]:
        """Yield the members of an archive that is itself a member."""
        if outer.name:
            yield outer.entry(name, (), BadMember("an archive three levels deep. Unpack it"))
            return
        named = kind_of(name)
        assert named is not None
        place = NestedPlace(outer.kind.compression, start, size, compression, None, "tar")
        try:
            head = place.open(outer.file, self._limits).read(SNIFFED_BYTES)
            kind = kind_of_content(head, named)
            if kind.format == "parquet":
                yield outer.entry(name, (), BadMember(_UNREADABLE))
                return
            layers = (compression, kind.compression)
            first, second = layers if compression is not None else layers[::-1]
            place = place._replace(first=first, second=second, format=kind.format)
            found, left_out = 0, self._names.left_out
            for entry in self.members(Archive.inside(outer, name, place, kind, self._limits)):
                yield entry
                found += 1
            if found == 0 and self._names.left_out == left_out:
                self._names.leave_out("empty_archive", outer.full_name(name))
        except KNOWN_ERRORS as error:
            yield outer.entry(name, (), BadMember(f"the archive in the archive: {error}"))


def _nameless(count: int) -> Iterator[Entry]:
    """Yield a problem of the archive where members have no name."""
    if count:
        yield MemberProblem("", ArchiveDamaged(f"{count:,} of its members have an empty name"))
