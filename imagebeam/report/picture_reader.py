"""Read single pictures of an output again: small copies, and the originals as they are."""

import threading
from functools import lru_cache

from imagebeam.images import uris
from imagebeam.images.containers.kinds import kind_of
from imagebeam.images.errors import ImageError, UnsupportedFormat
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.listing import locate
from imagebeam.images.reading.fetch import fetch
from imagebeam.images.reading.fetcher import Fetcher
from imagebeam.images.settings import Access
from imagebeam.images.signatures import format_of
from imagebeam.images.stage_times import Meter
from imagebeam.report.thumbnails import thumbnail_reader, webp

_MOST_BYTES = 100_000_000
_FINDING_SECONDS = 30.0
"""Time to find the members of an archive."""

_MOST_ARCHIVES = 4
"""Archives whose members are remembered."""


class PictureReader:
    """Reads pictures for several threads."""

    def __init__(self) -> None:
        self._thumbnails = thumbnail_reader()
        self._fetcher = Fetcher(Access(), _MOST_BYTES)
        self._members = lru_cache(_MOST_ARCHIVES)(locate.members)
        self._lock = threading.Lock()

    def thumbnail(self, uri: str) -> bytes:
        """Return a small copy as WebP; raise ImageError if the picture cannot be read."""
        [outcome] = self._thumbnails.read([self._location(uri)]).outcomes
        if isinstance(outcome, ImageError):
            raise outcome
        return webp(outcome)

    def original(self, uri: str) -> tuple[bytes, str]:
        """Return the bytes of a picture and their media type; raise ImageError if it is none."""
        [request] = self._fetcher.requests([self._location(uri)], Meter())
        data = fetch(request, _MOST_BYTES)
        if (name := format_of(data)) is None:
            raise UnsupportedFormat("the content is of no known kind of picture")
        return data, f"image/{name.lower()}"

    def close(self) -> None:
        """End the processes that decode."""
        self._thumbnails.close()
        self._fetcher.close()

    def _location(self, uri: str) -> ImageLocation:
        archive, member = uris.split_member(uri)
        if not member or kind_of(uris.path(archive)) is None:
            return ImageLocation(uri)
        with self._lock:
            return self._members(archive, _FINDING_SECONDS).get(uri) or ImageLocation(uri)
