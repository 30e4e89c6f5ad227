"""The images that a folder, a glob, a manifest or a container stands for."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Literal, cast
from urllib.parse import urljoin

from imagebeam.images import uris
from imagebeam.images.containers.container import MemberNames, open_container
from imagebeam.images.containers.kinds import kind_of
from imagebeam.images.containers.types import ContainerLimits, Member
from imagebeam.images.errors import (
    BadManifestEntry,
    ImageError,
    UnreadableListing,
    UnsupportedScheme,
)
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing import buckets, folders, manifests
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.names import NameRules
from imagebeam.images.settings import Access
from imagebeam.storage import ObjectInfo, StoreError, store_for
from imagebeam.storage.secrets import HideQuery, clean_text

Kind = Literal["folder", "glob", "manifest", "container", "images"]

_CAPS = ContainerLimits()


@dataclass(frozen=True)
class Source:
    """One thing to list: a folder, a glob, a manifest, a container, or images named one by one.

    Attributes:
        kind: which of these.
        names: addresses; exactly one unless `kind` is `images`. A glob is one with its wildcards.
        base: of the folder that a glob or a manifest's entries start from if relative.
        limit: only so many of its first images are listed; None lists all.
        access: how it is reached.
        keep: columns of a manifest whose values are copied to the rows.
        rules: which names are left out.
    """

    kind: Kind
    names: tuple[str, ...]
    base: str = ""
    limit: int | None = None
    access: Access = field(default_factory=Access)
    keep: manifests.Columns = field(default_factory=dict)
    rules: NameRules = field(default_factory=NameRules)

    def __iter__(self) -> Iterator[ListedImage]:
        """The images in a fixed order: by name, or as the manifest or container has them."""
        return self.images(LeftOut())

    def images(self, left_out: LeftOut) -> Iterator[ListedImage]:
        """Yield the images as `iter` does, and count what is met besides them."""
        return islice(self._all(left_out), self.limit)

    def _all(self, left_out: LeftOut) -> Iterator[ListedImage]:
        name = self.names[0]
        is_local = uris.scheme(name) == "file"
        match self.kind:
            case "folder" if is_local:
                yield from _found(folders.walk(uris.to_path(name), self.rules, left_out))
            case "folder":
                store = store_for(name, self.access.settings)
                yield from _objects(name, buckets.walk(store, name, self.rules, left_out))
            case "glob" if is_local:
                base = uris.to_path(self.base)
                yield from _found(folders.expand(name, base, self.rules, left_out))
            case "glob":
                store = store_for(name, self.access.settings)
                yield from _objects(name, buckets.expand(store, name, self.rules, left_out))
            case "manifest":
                yield from _entries(name, self.base, self.access, self.keep, self.rules, left_out)
            case "container":
                yield from _members(name, self.access, self.rules, left_out)
            case "images":
                for address in self.names:
                    yield image(address, self.access.hide_query)


def image(address: str, hide_query: HideQuery = "secret") -> ListedImage:
    """Return the image that is at an address by itself."""
    return ListedImage(uris.without_secrets(address, hide_query), ImageLocation(address))


def _found(paths: Iterator[folders.FolderEntry]) -> Iterator[ListedImage]:
    for path, problem in paths:
        uri = uris.from_path(path)
        yield ListedImage(uri, problem or ImageLocation(uri))


def _objects(name: str, found: Iterator[ObjectInfo]) -> Iterator[ListedImage]:
    try:
        for info in found:
            yield ListedImage(info.uri, ImageLocation(info.uri, info.version))
    except StoreError as error:
        yield ListedImage(name, UnreadableListing(f"it cannot be listed: {error}"))


def _members(
    address: str, access: Access, rules: NameRules, left_out: LeftOut
) -> Iterator[ListedImage]:
    archive = uris.without_secrets(address, access.hide_query)

    def leave_out(reason: str, name: str) -> None:
        left_out.add(reason, uris.member(archive, name))

    kind = kind_of(uris.path(address))
    assert kind is not None
    try:
        store = store_for(address, access.settings)
        version = store.info(address).version
        with store.open(address, version) as file:
            container = open_container(
                cast(IO[bytes], file), kind, access.selection, _CAPS, MemberNames(rules, leave_out)
            )
            for entry in container:
                uri = uris.member(archive, entry.name) if entry.name else archive
                if isinstance(entry, Member):
                    location = ImageLocation(address, version, entry.kind.name, entry.place)
                    yield ListedImage(uri, location)
                else:
                    yield ListedImage(uri, entry.error)
            if not container.counter.seen:
                left_out.add("empty_archive", archive)
    except StoreError as error:
        yield ListedImage(archive, UnreadableListing(f"it cannot be read: {error}"))
    except OSError as error:
        yield ListedImage(
            archive, UnreadableListing(f"it cannot be read: {error.strerror or error}")
        )


def _entries(
    address: str,
    base: str,
    access: Access,
    keep: manifests.Columns,
    rules: NameRules,
    left_out: LeftOut,
) -> Iterator[ListedImage]:
    manifest = uris.without_secrets(address, access.hide_query)
    suffix = posixpath.splitext(uris.path(address))[1].lower()
    try:
        with store_for(address, access.settings).open(address) as file:
            for entry in manifests.read(cast(IO[bytes], file), suffix, keep):
                place = f"{manifest}#{entry.position}"
                yield from _entry(entry, place, base, access, rules, left_out)
    except manifests.ManifestError as error:
        yield ListedImage(manifest, UnreadableListing(str(error)))
    except StoreError as error:
        yield ListedImage(manifest, UnreadableListing(f"{error}. Check the file."))
    except OSError as error:
        yield ListedImage(
            manifest, UnreadableListing(f"{error.strerror or error}. Check the file.")
        )


def _entry(
    entry: manifests.ManifestEntry,
    place: str,
    base: str,
    access: Access,
    rules: NameRules,
    left_out: LeftOut,
) -> Iterator[ListedImage]:
    if entry.value is None:
        left_out.add("blank", place)
        return
    if isinstance(entry.value, ImageError):
        yield ListedImage(place, entry.value, entry.extra_columns)
        return
    try:
        address = _address(entry.value, base)
    except UnicodeEncodeError:
        error = BadManifestEntry(clean_text(f"{entry.value!r} is not Unicode text"))
        yield ListedImage(place, error, entry.extra_columns)
        return
    except UnsupportedScheme as error:
        yield ListedImage(place, error, entry.extra_columns)
        return
    if kind_of(uris.path(address)) is None:
        yield image(address, access.hide_query)._replace(extra_columns=entry.extra_columns)
        return
    for listed in _members(address, access, rules, left_out):
        yield listed._replace(extra_columns=entry.extra_columns)


def _address(entry: str, base: str) -> str:
    """Where a manifest's entry is, that lies in folder `base`.

    Raises:
        UnicodeEncodeError: text that names no file and that no table can hold.
        UnsupportedScheme: a manifest from elsewhere names a file of this machine.
    """
    if uris.scheme(base) == "file":
        return uris.from_entry(entry, uris.to_path(base))
    entry.encode("utf-8")
    if uris.scheme(entry) != "file":
        return entry
    if "://" in entry or entry.startswith("/"):
        raise UnsupportedScheme("a local name in a manifest that is not local")
    if uris.scheme(base) in ("http", "https"):
        return urljoin(f"{base}/", entry)
    scheme, _, folder = base.partition("://")
    return f"{scheme}://{posixpath.normpath(posixpath.join(folder, entry))}"
