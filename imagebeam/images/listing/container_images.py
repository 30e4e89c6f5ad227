"""The images in a container, with the values of columns that rows keep."""

from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any, cast

from imagebeam.images import uris
from imagebeam.images.containers.archive import MemberNames
from imagebeam.images.containers.container import open_container
from imagebeam.images.containers.errors import ContainerError
from imagebeam.images.containers.kinds import ContainerKind, kind_of
from imagebeam.images.containers.types import ContainerLimits, Entry, Member, MemberProblem
from imagebeam.images.errors import ArchiveDamaged, BadMember, ImageError, ListingError
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing.listing_pass import ListingPass, guarded
from imagebeam.images.listing.manifests import arrow_tables
from imagebeam.images.listing.manifests.entries import ManifestError
from imagebeam.images.listing.manifests.entry_addresses import resolve
from imagebeam.images.listing.path_columns import or_of_path, or_partitions
from imagebeam.storage import store_for

_LIMITS = ContainerLimits()


def members(one: ListingPass, address: str, shown: str) -> Iterator[ListedImage]:
    """Yield the images in a container; what cannot be listed becomes an error row.

    Args:
        one: the pass over its source.
        shown: its name in rows.
    """
    return guarded(shown, _members(one, address, shown))


def _members(one: ListingPass, address: str, shown: str) -> Iterator[ListedImage]:
    def leave_out(reason: str, name: str) -> None:
        one.left_out.add(reason, uris.member(shown, name))

    # A name that shows no kind: the container detects it from the content.
    kind = kind_of(uris.path(address)) or ContainerKind.TAR
    names = MemberNames(one.rules.names, leave_out)
    store = store_for(address, one.access.settings)
    version = store.info(address).version
    with store.open(address, version) as opened:
        file = cast(IO[bytes], opened)
        selection = replace(one.access.selection, keep=tuple(one.keep))
        container = open_container(file, kind, selection, _LIMITS, names)
        rows = _kept_rows(one, address, version)
        nothing = (None,) * len(one.keep)
        is_empty = True
        for entry in container.look() if one.is_look else container.entries(one.found):
            is_empty = False
            uri = uris.member(shown, entry.name) if entry.name else shown
            kept = or_of_path(entry.kept, uri, tuple(one.keep)) if entry.kept else ()
            if entry.name and not kept:
                try:
                    row = next(rows, ())
                except (ManifestError, ContainerError) as error:
                    reason = ArchiveDamaged(f"the columns to keep cannot be read: {error}")
                    yield ListedImage(shown, reason)
                    return
                kept = nothing if isinstance(row, BadMember) else row
                if isinstance(row, BadMember) and not _is_without_image(entry):
                    entry = MemberProblem(entry.name, row)
            if isinstance(entry, MemberProblem) and entry.path is not None:
                yield _named(one, entry.path, uri, address, kept)
            elif isinstance(entry, Member):
                location = ImageLocation(address, version, entry.kind.name, entry.place)
                yield ListedImage(uri, location, kept)
            else:
                yield ListedImage(uri, entry.error, kept)
        if is_empty and not names.left_out:
            one.left_out.add("empty_archive", shown)


def _is_without_image(entry: Entry) -> bool:
    return isinstance(entry, MemberProblem) and entry.path is None


def _named(
    one: ListingPass, path: str, uri: str, table: str, columns: tuple[Any, ...]
) -> ListedImage:
    """Return the image that a row of a table names instead of holding it."""
    try:
        rules = replace(one.rules.entries, template=None)
        found = resolve(path, table, one.base, rules, one.access.hide_query)
    except (ListingError, ImageError) as error:
        return ListedImage(uri, type(error)(*error.args), columns)
    return ListedImage(found.uri, ImageLocation(found.address), columns)


def _kept_rows(
    one: ListingPass, address: str, version: str
) -> Iterator[tuple[Any, ...] | BadMember]:
    """Yield the columns to keep of a table, or an error, per row; nothing otherwise."""
    if not one.keep:
        return
    with store_for(address, one.access.settings).open(address, version) as opened:
        file = cast(IO[bytes], opened)
        columns = arrow_tables.schema(file)
        names = [name for name in one.keep if name in columns]
        for row in arrow_tables.column_rows(file, names):
            if isinstance(row, BadMember):
                yield row
            else:
                yield or_partitions(dict(zip(names, row, strict=True)), address, one.keep)
