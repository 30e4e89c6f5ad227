"""Walk through the members of an archive, and of the archives in it."""

import tarfile
from collections.abc import Iterator
from typing import cast

from imagebeam.images.containers import tars, tfrecords, zips
from imagebeam.images.containers.archive import Archive, MemberNames
from imagebeam.images.containers.content_kinds import SNIFFED_BYTES, kind_of_content
from imagebeam.images.containers.errors import ContainerError
from imagebeam.images.containers.kept_values import MOST_BYTES, Sidecar, Sidecars
from imagebeam.images.containers.kinds import Compression, kind_of
from imagebeam.images.containers.nested import NestedPlace
from imagebeam.images.containers.types import (
    ContainerLimits,
    Entry,
    Member,
    MemberCounter,
    MemberProblem,
    MemberSelection,
)
from imagebeam.images.containers.zip_entries import ZipEntry
from imagebeam.images.containers.zip_methods import COMPRESSIONS
from imagebeam.images.containers.zip_sidecars import ZipSidecars
from imagebeam.images.errors import ArchiveDamaged, BadMember
from imagebeam.images.listing.names import SNIFFED_BYTES as PICTURE_BYTES
from imagebeam.images.listing.names import judge_content

_UNREADABLE = "an archive of a kind that cannot be read inside another one. Unpack it"


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
                if sidecars is not None and is_taken and sidecars.has_extension(entry.name):
                    archive.file.seek(entry.start)
                    data = archive.file.read(min(entry.size, MOST_BYTES + 1))
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
        self, outer: Archive, name: str, start: int, size: int, compression: Compression | None
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
        except ContainerError as error:
            yield outer.entry(name, (), BadMember(f"the archive in the archive: {error}"))


def _nameless(count: int) -> Iterator[Entry]:
    """Yield a problem of the archive where members have no name."""
    if count:
        yield MemberProblem("", ArchiveDamaged(f"{count:,} of its members have an empty name"))
