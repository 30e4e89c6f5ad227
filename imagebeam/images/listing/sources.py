"""The images that a folder, a glob, a manifest or a container stands for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from imagebeam.images import uris
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing.container_images import members
from imagebeam.images.listing.file_images import files
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.listing_pass import ListingPass, ListingRules, guarded
from imagebeam.images.listing.manifests.entries import Columns
from imagebeam.images.listing.manifests.images import entries
from imagebeam.images.listing.path_columns import values
from imagebeam.images.settings import Access
from imagebeam.storage import Settings, StoreError, store_for
from imagebeam.storage.clean_text import without_secrets_in
from imagebeam.storage.secrets import HideQuery

Kind = Literal["folder", "glob", "manifest", "container", "images"]

LISTING_VERSION = 7
"""Changes with the rules for what is requested. Version 1 took fewer kinds of names; in version 2,
the first of several members of one name kept it, and not the last; version 3 did not know FITS,
DICOM without an extension and some older kinds; in version 4, a CSV row of delimiters was an error
row, and an Arrow file that a manifest named was one image; in version 5, zips behind a program were
left out, and --exclude did not apply to manifests; in version 6, --exclude did not
apply to tables in folders and to what a glob matches in a bucket, and `_temporary/` was read."""


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
        """Return the images in a fixed order: by name, or as the manifest or container has them."""
        return self.images(LeftOut())

    def images(
        self, left_out: LeftOut, found: Callable[[int], object] = lambda number: None
    ) -> Iterator[ListedImage]:
        """Yield the images as `iter` does, and count what is found besides them.

        Args:
            left_out: receives these counts.
            found: is called with the number of further members of an archive that were found,
                before the first of them is yielded.
        """
        one = ListingPass(
            self.base, self.access, self.keep, self.rules, self.is_look, left_out, found
        )
        listed = self._with_columns(islice(self._listed(one), self.limit))
        listed = map(self._cleaned, listed) if self.keep else listed
        return listed if self.columns_before_version is None else map(self._with_version, listed)

    def _listed(self, one: ListingPass) -> Iterator[ListedImage]:
        name = self.names[0]
        match self.kind:
            case "images":
                yield from (image(address, self.access.hide_query) for address in self.names)
            case "manifest":
                yield from guarded(one.shown(name), entries(one, name))
            case "container":
                yield from members(one, name, one.shown(name))
            case "folder" | "glob":
                yield from guarded(one.shown(name), files(one, name, self.kind == "glob"))

    def _with_columns(self, found: Iterator[ListedImage]) -> Iterator[ListedImage]:
        if not self.keep or self.kind == "manifest":
            return found
        columns = tuple(self.keep)
        return (
            each if each.extra_columns else each._replace(extra_columns=values(each.uri, columns))
            for each in found
        )

    def _cleaned(self, found: ListedImage) -> ListedImage:
        """Return an image whose extra columns hold no secrets of addresses."""
        values = (without_secrets_in(each, self.access.hide_query) for each in found.extra_columns)
        return found._replace(extra_columns=tuple(values))

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
