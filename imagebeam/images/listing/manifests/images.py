"""The images that a manifest names, and those in containers that it names."""

from collections.abc import Iterator
from dataclasses import replace
from typing import IO, cast

from imagebeam.images import uris
from imagebeam.images.containers.kinds import kind_of
from imagebeam.images.digests import stated_digest
from imagebeam.images.errors import BadManifestEntry, ImageError, ListingError
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing.container_images import members
from imagebeam.images.listing.listing_pass import ListingPass
from imagebeam.images.listing.manifests import manifest_files
from imagebeam.images.listing.manifests.entries import ManifestEntry
from imagebeam.images.listing.manifests.entry_addresses import resolve
from imagebeam.images.listing.path_columns import has_partition, or_partitions
from imagebeam.storage import store_for

_NO_DIGEST = object()
"""Stands for the digest of an entry where none is compared."""

_DIGEST_OF_CONTAINER = (
    "an archive, whose digest is not compared. Leave it out, or leave out --check-digest"
)


def entries(one: ListingPass, address: str) -> Iterator[ListedImage]:
    """Yield the images that the manifest at an address names.

    Raises:
        ManifestError: it cannot be read as one.
        StoreError: it cannot be read at all.
        OSError: likewise.
    """
    import pyarrow as pa

    shown = one.shown(address)
    rules, keep = one.rules.entries, one.keep
    name = uris.path(address).rpartition("/")[2]
    with store_for(address, one.access.settings).open(address) as file:
        table, own = cast(IO[bytes], file), dict(keep)
        if any(has_partition(uris.path(address), column) for column in keep):
            columns = manifest_files.columns(table, name, rules.uri_column)
            own = {column: kind for column, kind in keep.items() if column in columns}
            table.seek(0)
        is_whole = len(own) == len(keep)
        if rules.digest_column is not None:
            own.setdefault(rules.digest_column, pa.string())
        is_empty = True
        for entry in manifest_files.read(table, name, own, rules.uri_column):
            is_empty = False
            digest: object = _NO_DIGEST
            if not is_whole or rules.digest_column is not None:
                row = dict(zip(own, entry.extra_columns, strict=True))
                digest = row.get(rules.digest_column or "", _NO_DIGEST)
                kept = or_partitions(row, address, keep)
                entry = entry._replace(extra_columns=kept)
            yield from _entry(one, entry, f"{shown}#{entry.position}", address, digest)
        if is_empty:
            one.left_out.add("empty_manifest", shown)


def _entry(
    one: ListingPass, entry: ManifestEntry, place: str, manifest: str, digest: object
) -> Iterator[ListedImage]:
    if entry.lines_lost:
        one.left_out.add("quoted", place, entry.lines_lost)
    if entry.value is None:
        one.left_out.add("blank", place)
        return
    if isinstance(entry.value, ImageError):
        yield ListedImage(place, entry.value, entry.extra_columns)
        return
    if one.rules.names.excludes(uris.to_path(entry.value)):
        one.left_out.add("excluded", place)
        return
    rules, stated = one.rules.entries, ""
    try:
        found = resolve(entry.value, manifest, one.base, rules, one.access.hide_query)
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
    for listed in members(replace(one, keep={}), found.address, found.uri):
        yield listed._replace(extra_columns=entry.extra_columns)
