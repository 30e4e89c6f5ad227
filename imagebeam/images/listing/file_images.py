"""The images in a folder, or those that match a glob, on this machine or in a bucket."""

from collections.abc import Callable, Iterator

from imagebeam.images import uris
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing import buckets, files_beside, folders
from imagebeam.images.listing.listing_pass import ListingPass
from imagebeam.images.listing.objects_beside import ObjectsBeside
from imagebeam.storage import ObjectInfo, Store, store_for


def files_in(one: ListingPass, folder: str) -> Iterator[ListedImage]:
    """Yield the images below a folder."""
    rules = one.rules.names
    if uris.scheme(folder) != "file":
        store = store_for(folder, one.access.settings)
        yield from _in_bucket(
            one, store, lambda listed: buckets.walk(listed, folder, rules, one.left_out)
        )
    else:
        yield from _local(one, folders.walk(uris.to_path(folder), rules, one.left_out))


def files_of_glob(one: ListingPass, pattern: str) -> Iterator[ListedImage]:
    """Yield the images that match a glob."""
    rules = one.rules.names
    if uris.scheme(pattern) != "file":
        store = store_for(pattern, one.access.settings)
        yield from _in_bucket(
            one, store, lambda listed: buckets.expand(listed, pattern, rules, one.left_out)
        )
    else:
        base = uris.to_path(one.base)
        yield from _local(one, folders.expand(pattern, base, rules, one.left_out))


def _in_bucket(
    one: ListingPass, store: Store, found: Callable[[buckets.Listable], Iterator[ObjectInfo]]
) -> Iterator[ListedImage]:
    if not one.keep:
        yield from map(_object, found(store))
        return
    beside = ObjectsBeside(store, tuple(one.keep), one.access.concurrent_reads)
    yield from beside.added(map(_object, found(beside)))


def _object(info: ObjectInfo) -> ListedImage:
    return ListedImage(info.uri, ImageLocation(info.uri, info.version))


def _local(one: ListingPass, paths: Iterator[folders.FolderEntry]) -> Iterator[ListedImage]:
    columns = tuple(one.keep)
    for path, error in paths:
        uri = uris.from_path(path)
        listed = ListedImage(uri, error or ImageLocation(uri))
        yield (
            files_beside.added(listed, path, columns, files_beside.local_content)
            if columns
            else listed
        )
