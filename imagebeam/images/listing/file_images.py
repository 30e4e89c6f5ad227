"""The images in a folder, or those that match a glob, on this machine or in a bucket."""

from collections.abc import Iterator

from imagebeam.images import uris
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing import buckets, files_beside, folders
from imagebeam.images.listing.listing_pass import ListingPass
from imagebeam.storage import ObjectInfo, store_for


def files_in(one: ListingPass, folder: str) -> Iterator[ListedImage]:
    """Yield the images below a folder."""
    rules = one.rules.names
    if uris.scheme(folder) != "file":
        store = store_for(folder, one.access.settings)
        yield from map(_object, buckets.walk(store, folder, rules, one.left_out))
    else:
        yield from _local(one, folders.walk(uris.to_path(folder), rules, one.left_out))


def files_of_glob(one: ListingPass, pattern: str) -> Iterator[ListedImage]:
    """Yield the images that match a glob."""
    rules = one.rules.names
    if uris.scheme(pattern) != "file":
        store = store_for(pattern, one.access.settings)
        yield from map(_object, buckets.expand(store, pattern, rules, one.left_out))
    else:
        base = uris.to_path(one.base)
        yield from _local(one, folders.expand(pattern, base, rules, one.left_out))


def _object(info: ObjectInfo) -> ListedImage:
    return ListedImage(info.uri, ImageLocation(info.uri, info.version))


def _local(one: ListingPass, paths: Iterator[folders.FolderEntry]) -> Iterator[ListedImage]:
    columns = tuple(one.keep)
    for path, error in paths:
        uri = uris.from_path(path)
        listed = ListedImage(uri, error or ImageLocation(uri))
        yield files_beside.added(listed, path, columns) if columns else listed
