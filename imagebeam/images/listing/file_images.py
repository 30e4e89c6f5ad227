"""The images in a folder, or those that match a glob, on this machine or in a bucket."""

from collections.abc import Callable, Iterator

from imagebeam.images import uris
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing import buckets, files_beside, folders
from imagebeam.images.listing.listing_pass import ListingPass
from imagebeam.images.listing.objects_beside import ObjectsBeside
from imagebeam.storage import ObjectInfo, Store, store_for


def files(one: ListingPass, name: str, is_glob: bool) -> Iterator[ListedImage]:
    """Yield the images below a folder, or those that match a glob."""
    rules, left_out = one.rules.names, one.left_out
    if uris.scheme(name) != "file":
        found = buckets.expand if is_glob else buckets.walk
        store = store_for(name, one.access.settings)
        yield from _in_bucket(one, store, lambda listed: found(listed, name, rules, left_out))
    elif is_glob:
        yield from _local(one, folders.expand(name, uris.to_path(one.base), rules, left_out))
    else:
        yield from _local(one, folders.walk(uris.to_path(name), rules, left_out))


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
