"""The images that a folder, a glob, a manifest or a container stands for."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import IO, Any, Literal, cast

from imagebeam.images import uris
from imagebeam.images.containers.archive_walk import MemberNames
from imagebeam.images.containers.container import open_container
from imagebeam.images.containers.kinds import ContainerKind, kind_of
from imagebeam.images.containers.types import (
    CONTAINER_ERRORS,
    ContainerLimits,
    Member,
    MemberProblem,
)
from imagebeam.images.digests import stated_digest
from imagebeam.images.errors import (
    BadManifestEntry,
    ImageError,
    ListingError,
    UnexpectedListing,
    UnreadableListing,
)
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing import buckets, files_beside, folders, manifest_tables, manifests
from imagebeam.images.listing.entry_addresses import EntryRules, resolve
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.manifest_entries import Columns, ManifestEntry, ManifestError
from imagebeam.images.listing.names import NameRules
from imagebeam.images.listing.path_columns import has_partition, or_of_path, partition, values
from imagebeam.images.settings import Access
from imagebeam.storage import Settings, StoreError, store_for
from imagebeam.storage.errors import UnexpectedError, describe_unexpected
from imagebeam.storage.secrets import HideQuery

Kind = Literal["folder", "glob", "manifest", "container", "images"]

LISTING_VERSION = 3
"""Changes with the rules for what is requested. Version 1 took fewer kinds of names; in version 2,
the first of several members of one name kept it, and not the last."""

_LIMITS = ContainerLimits()


@dataclass(frozen=True)
class ListingRules:
    """The rules of a listing: the files that it takes, and how it reads names.

    Attributes:
        names: which names are left out.
        entries: how the entries of manifests are read.
    """

    names: NameRules = field(default_factory=NameRules)
    entries: EntryRules = field(default_factory=EntryRules)


@dataclass(frozen=True)
class Source:
    """One thing to list: a folder, a glob, a manifest, a container, or images named one by one.

    Attributes:
        kind: which of these.
        names: addresses; exactly one unless `kind` is `images`. A glob is one with its wildcards.
        base: address of the folder that a glob or a manifest's relative entries start from.
        limit: only so many of its first images are listed; None lists all.
        access: how it is read.
        keep: columns whose values are copied to the rows, with their types.
        rules: what is taken.
        is_look: whether this is only a look at the input: members of archives are yielded as soon
            as they are found, and one whose name comes again may have another name in the job.
        columns_before_version: number of extra columns before one with the image's version, None
            if that is unknown; None where there is no such column.
    """

    kind: Kind
    names: tuple[str, ...]
    base: str = ""
    limit: int | None = None
    access: Access = field(default_factory=Access)
    keep: Columns = field(default_factory=dict)
    rules: ListingRules = field(default_factory=ListingRules)
    is_look: bool = False
    columns_before_version: int | None = None

    def __iter__(self) -> Iterator[ListedImage]:
        """The images in a fixed order: by name, or as the manifest or container has them."""
        return self.images(LeftOut())

    def images(self, left_out: LeftOut) -> Iterator[ListedImage]:
        """Yield the images as `iter` does, and count what is met besides them."""
        found = self._with_columns(islice(_Listing(self, left_out).images(), self.limit))
        return found if self.columns_before_version is None else map(self._with_version, found)

    def _with_columns(self, found: Iterator[ListedImage]) -> Iterator[ListedImage]:
        if not self.keep or self.kind == "manifest":
            return found
        columns = tuple(self.keep)
        return (
            each if each.extra_columns else each._replace(extra_columns=values(each.uri, columns))
            for each in found
        )

    def _with_version(self, found: ListedImage) -> ListedImage:
        columns = found.extra_columns or (None,) * (self.columns_before_version or 0)
        return found._replace(extra_columns=(*columns, _version(found.location)))


def _version(location: ImageLocation | ImageError) -> str | None:
    """Return the version of the file that an image is in, if it takes no request to know it."""
    if isinstance(location, ImageError):
        return None
    if location.version or uris.scheme(location.address) != "file":
        return location.version or None
    try:
        return store_for(location.address, Settings()).info(location.address).version
    except StoreError:
        # Its error row says why.
        return None


def image(address: str, hide_query: HideQuery = "secret") -> ListedImage:
    """Return the image that is at an address by itself."""
    return ListedImage(uris.without_secrets(address, hide_query), ImageLocation(address))


class _Listing:
    """One pass over a source.

    No exception leaves it: whatever goes wrong in listing becomes an error row.
    """

    def __init__(self, source: Source, left_out: LeftOut) -> None:
        self._source = source
        self._access = source.access
        self._rules = source.rules
        self._left_out = left_out

    def images(self) -> Iterator[ListedImage]:
        """Yield the images."""
        source, name = self._source, self._source.names[0]
        match source.kind:
            case "images":
                for address in source.names:
                    yield image(address, self._access.hide_query)
            case "manifest":
                yield from self._guarded(self._shown(name), self._manifest(name))
            case "container":
                yield from self._members(name, self._shown(name))
            case _:
                yield from self._guarded(self._shown(name), self._files(name))

    def _guarded(self, shown: str, found: Iterator[ListedImage]) -> Iterator[ListedImage]:
        """Yield images, and the reason why there are no more under the name of the whole."""
        try:
            yield from found
        except (ManifestError, *CONTAINER_ERRORS) as error:
            yield ListedImage(shown, UnreadableListing(str(error)))
        except UnexpectedError as error:
            yield ListedImage(shown, UnexpectedListing(str(error)))
        except StoreError as error:
            yield ListedImage(shown, UnreadableListing(f"it cannot be read: {error}"))
        except OSError as error:
            reason = error.strerror or error
            yield ListedImage(shown, UnreadableListing(f"it cannot be read: {reason}"))
        except Exception as error:
            yield ListedImage(shown, UnexpectedListing(describe_unexpected(error)))

    def _shown(self, address: str) -> str:
        return uris.without_secrets(address, self._access.hide_query)

    def _files(self, name: str) -> Iterator[ListedImage]:
        rules, left_out = self._rules.names, self._left_out
        is_folder = self._source.kind == "folder"
        if uris.scheme(name) != "file":
            store = store_for(name, self._access.settings)
            list_objects = buckets.walk if is_folder else buckets.expand
            for info in list_objects(store, name, rules, left_out):
                yield ListedImage(info.uri, ImageLocation(info.uri, info.version))
            return
        if is_folder:
            paths = folders.walk(uris.to_path(name), rules, left_out)
        else:
            paths = folders.expand(name, uris.to_path(self._source.base), rules, left_out)
        columns = tuple(self._source.keep)
        for path, error in paths:
            uri = uris.from_path(path)
            listed = ListedImage(uri, error or ImageLocation(uri))
            yield files_beside.added(listed, path, columns) if columns else listed

    def _members(self, address: str, shown: str) -> Iterator[ListedImage]:
        return self._guarded(shown, self._container(address, shown))

    def _container(self, address: str, shown: str) -> Iterator[ListedImage]:
        def leave_out(reason: str, name: str) -> None:
            self._left_out.add(reason, uris.member(shown, name))

        # A name that shows no kind: the container detects it from the content.
        kind = kind_of(uris.path(address)) or ContainerKind.TAR
        names = MemberNames(self._rules.names, leave_out)
        store = store_for(address, self._access.settings)
        version = store.info(address).version
        with store.open(address, version) as opened:
            file, selection = cast(IO[bytes], opened), self._access.selection
            if self._source.kind == "container":
                selection = replace(selection, keep=tuple(self._source.keep))
            container = open_container(file, kind, selection, _LIMITS, names)
            rows = self._kept_rows(address, version)
            is_empty = True
            for entry in container.look() if self._source.is_look else container:
                is_empty = False
                uri = uris.member(shown, entry.name) if entry.name else shown
                kept = or_of_path(entry.kept, uri, tuple(self._source.keep)) if entry.kept else ()
                if isinstance(entry, MemberProblem) and entry.path is not None:
                    yield self._named(entry.path, uri, address, next(rows, ()))
                elif isinstance(entry, Member):
                    location = ImageLocation(address, version, entry.kind.name, entry.place)
                    yield ListedImage(uri, location, kept or next(rows, ()))
                else:
                    kept = kept or (next(rows, ()) if entry.name else ())
                    yield ListedImage(uri, entry.error, kept)
            if is_empty and not names.left_out:
                self._left_out.add("empty_archive", shown)

    def _named(self, path: str, uri: str, table: str, columns: tuple[Any, ...]) -> ListedImage:
        """Return the image that a row of a table names instead of holding it."""
        source = self._source
        try:
            rules = replace(self._rules.entries, template=None)
            found = resolve(path, table, source.base, rules, self._access.hide_query)
        except (ListingError, ImageError) as error:
            return ListedImage(uri, type(error)(*error.args), columns)
        return ListedImage(found.uri, ImageLocation(found.address), columns)

    def _kept_rows(self, address: str, version: str) -> Iterator[tuple[Any, ...]]:
        """Yield the columns to keep of a Parquet file, a tuple per row; nothing otherwise."""
        if self._source.kind != "container" or not self._source.keep:
            return
        with store_for(address, self._access.settings).open(address, version) as opened:
            file = cast(IO[bytes], opened)
            if file.read(4) == b"PAR1":
                columns = manifest_tables.schema(file)
                names = [name for name in self._source.keep if name in columns]
                for row in manifest_tables.column_rows(file, names):
                    yield self._with_partitions(dict(zip(names, row, strict=True)), address)

    def _with_partitions(self, found: dict[str, Any], address: str) -> tuple[Any, ...]:
        """Return the values to keep: those of a table, and the others from its path."""
        return tuple(
            found[name] if name in found else partition(uris.path(address), name)
            for name in self._source.keep
        )

    def _manifest(self, address: str) -> Iterator[ListedImage]:
        import pyarrow as pa

        shown = self._shown(address)
        rules, keep = self._rules.entries, self._source.keep
        name = uris.path(address).rpartition("/")[2]
        with store_for(address, self._access.settings).open(address) as file:
            table, own = cast(IO[bytes], file), dict(keep)
            if any(has_partition(uris.path(address), column) for column in keep):
                columns = manifests.columns(table, name, rules.uri_column)
                own = {column: kind for column, kind in keep.items() if column in columns}
                table.seek(0)
            is_whole = len(own) == len(keep)
            if rules.digest_column is not None:
                own.setdefault(rules.digest_column, pa.string())
            for entry in manifests.read(table, name, own, rules.uri_column):
                digest: object = _NO_DIGEST
                if not is_whole or rules.digest_column is not None:
                    row = dict(zip(own, entry.extra_columns, strict=True))
                    digest = row.get(rules.digest_column or "", _NO_DIGEST)
                    kept = self._with_partitions(row, address)
                    entry = entry._replace(extra_columns=kept)
                yield from self._entry(entry, f"{shown}#{entry.position}", address, digest)

    def _entry(
        self, entry: ManifestEntry, place: str, manifest: str, digest: object
    ) -> Iterator[ListedImage]:
        if entry.lines_lost:
            self._left_out.add("quoted", place, entry.lines_lost)
        if entry.value is None:
            self._left_out.add("blank", place)
            return
        if isinstance(entry.value, ImageError):
            yield ListedImage(place, entry.value, entry.extra_columns)
            return
        rules, stated = self._rules.entries, ""
        try:
            found = resolve(
                entry.value, manifest, self._source.base, rules, self._access.hide_query
            )
            is_container = kind_of(uris.path(found.address)) is not None
            if digest is not _NO_DIGEST:
                if is_container:
                    raise BadManifestEntry(_DIGEST_OF_CONTAINER)
                stated = stated_digest(digest, str(rules.digest_column))
        except (ListingError, ImageError) as error:
            yield ListedImage(place, type(error)(*error.args), entry.extra_columns)
            return
        if not is_container:
            location = ImageLocation(found.address, digest=stated)
            yield ListedImage(found.uri, location, entry.extra_columns)
            return
        for listed in self._members(found.address, found.uri):
            yield listed._replace(extra_columns=entry.extra_columns)


_NO_DIGEST = object()
"""Stands for the digest of an entry where none is compared."""

_DIGEST_OF_CONTAINER = (
    "an archive, whose digest is not compared. Leave it out, or leave out --check-digest"
)
