"""Where images are that are known by their names alone, as rows of an output are."""

import time
from collections import defaultdict
from collections.abc import Sequence

from imagebeam.images import uris
from imagebeam.images.containers import kind_of
from imagebeam.images.listing.sources import Source, image
from imagebeam.images.reading.fetcher import ImageSource


def locate(names: Sequence[str], seconds: float) -> list[ImageSource]:
    """What to ask a reader for, for each name, in their order.

    Members of archives are looked for in their archives, one archive after the other. One that is
    not found, or not in time, stands for a local file that does not exist.

    Args:
        names: URIs.
        seconds: wall time for all archives together.
    """
    found: dict[str, ImageSource] = {}
    until = time.monotonic() + seconds
    for archive, missing in _by_archive(names).items():
        for listed in Source("container", (archive,)):
            if listed.uri in missing and listed.where is not None:
                found[listed.uri] = listed.where
                missing.discard(listed.uri)
            if not missing or time.monotonic() > until:
                break
    return [found.get(name) or image(name).where or name for name in names]


def _by_archive(names: Sequence[str]) -> dict[str, set[str]]:
    members: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        archive, member = uris.split_member(name)
        if member and kind_of(uris.path(archive)) is not None:
            members[archive].add(name)
    return members
