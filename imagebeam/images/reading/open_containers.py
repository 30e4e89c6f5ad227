"""Containers that are read from their start, and stay open for the next image in them."""

import threading
from collections.abc import Callable
from typing import IO, NamedTuple, TypeAlias, cast

from imagebeam.images.containers.container import Container, open_container
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.settings import Access
from imagebeam.storage import Settings, Store

StoreOf: TypeAlias = Callable[[str, Settings], Store]
"""Finds the store of an address."""


class _Stream(NamedTuple):
    file: IO[bytes]
    container: Container
    last: tuple[int, ...]

    def close(self) -> None:
        """Close the file and what reads it."""
        self.container.close()
        self.file.close()


def _key(location: ImageLocation) -> ImageLocation:
    """Return the container of a location. Members of another kind have other positions."""
    return location._replace(place=(), digest="")


class OpenContainers:
    """Open containers that are read from their start, each at the position of its last read."""

    _MOST = 8

    def __init__(self, access: Access, store_of: StoreOf) -> None:
        self._access = access
        self._store_of = store_of
        self._lock = threading.Lock()
        self._idle: dict[ImageLocation, list[_Stream]] = {}

    def read(self, location: ImageLocation, max_bytes: int) -> bytes:
        """Read a member.

        Raises:
            ImageError: it cannot be read.
            StoreError: the container cannot be read.
            OSError: likewise.
        """
        stream = self._take(location)
        try:
            data = stream.container.read(location.place, max_bytes)
        except ImageError:
            self._put(location, stream)
            raise
        except BaseException:
            stream.close()
            raise
        self._put(location, stream._replace(last=location.place))
        return data

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            for stream in (each for some in self._idle.values() for each in some):
                stream.close()
            self._idle.clear()

    def _take(self, location: ImageLocation) -> _Stream:
        with self._lock:
            idle = self._idle.get(_key(location), [])
            # The nearest position before the place leaves the least to decompress.
            behind = [each for each in idle if each.last <= location.place]
            if behind:
                nearest = max(behind, key=lambda each: each.last)
                idle.remove(nearest)
                return nearest
        assert location.container is not None
        store = self._store_of(location.address, self._access.settings)
        file = cast(IO[bytes], store.open(location.address, location.version))
        container = open_container(file, location.container, self._access.selection)
        return _Stream(file, container, ())

    def _put(self, location: ImageLocation, stream: _Stream) -> None:
        with self._lock:
            self._idle.setdefault(_key(location), []).append(stream)
            self._close_oldest()

    def _close_oldest(self) -> None:
        while sum(map(len, self._idle.values())) > self._MOST:
            oldest = next(key for key, some in self._idle.items() if some)
            self._idle[oldest].pop(0).close()
            if not self._idle[oldest]:
                del self._idle[oldest]
