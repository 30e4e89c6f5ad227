"""Find images that are known only by their names, such as the rows of an output."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

from imagebeam.images import uris
from imagebeam.images.containers.kinds import kind_of
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.listing.sources import Source


def locate(names: Sequence[str], seconds: float) -> list[ImageLocation]:
    """Return the location of each name, in their order.

    Members of archives are searched in their archives, one archive after the other. A member that
    is not found, or not in time, gets the location of a local file that does not exist.

    Args:
        names: URIs.
        seconds: wall time for all archives together.
    """
    found: dict[str, ImageLocation] = {}
    until = time.monotonic() + seconds
    for archive, missing in _by_archive(names).items():
        for uri, location in _members(archive, until):
            if uri in missing:
                found[uri] = location
                missing.discard(uri)
            if not missing:
                break
    return [found.get(name) or ImageLocation(name) for name in names]


def members(archive: str, seconds: float) -> dict[str, ImageLocation]:
    """Return the locations of the images in an archive that are found in time, by URI.

    Args:
        archive: its URI.
        seconds: wall time.
    """
    return dict(_members(archive, time.monotonic() + seconds))


def _members(archive: str, until: float) -> Iterator[tuple[str, ImageLocation]]:
    for listed in Source("container", (archive,)):
        if isinstance(listed.location, ImageLocation):
            yield listed.uri, listed.location
        if time.monotonic() > until:
            return


def _by_archive(names: Sequence[str]) -> dict[str, set[str]]:
    members: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        archive, member = uris.split_member(name)
        if member and kind_of(uris.path(archive)) is not None:
            members[archive].add(name)
    return members
