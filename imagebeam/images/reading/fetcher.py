"""Turn the locations of images into requests for a decoding process: many reads at once, in order.

The decoding process itself reads local files and members of local tars and zips. Everything else is
read here, so that decoders need neither network nor credentials. Decoding processes also decompress
members of zips: they are made for data that may end them.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from imagebeam.images import uris
from imagebeam.images.containers import zips
from imagebeam.images.containers.container import read_range
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.window import check_span
from imagebeam.images.digests import verify_digest
from imagebeam.images.errors import ImageError, translate_store_errors
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.fetch import FetchRequest, ZipMember, bytes_held
from imagebeam.images.reading.open_containers import OpenContainers, StoreOf
from imagebeam.images.settings import Access
from imagebeam.images.stage_times import Meter
from imagebeam.storage import store_for
from imagebeam.storage.types import RedirectingStore

_LOOK_AHEAD = 2
"""Images fetched ahead per concurrent read."""

_BYTES_AHEAD = 64_000_000


class Fetcher:
    """Reads images for all threads of one worker process."""

    def __init__(
        self,
        access: Access,
        max_bytes: int,
        bytes_ahead: int = _BYTES_AHEAD,
        store_of: StoreOf = store_for,
    ) -> None:
        """Keep the settings; nothing starts before it is needed.

        Args:
            access: how images are reached.
            max_bytes: more than this is refused for one image.
            bytes_ahead: the bytes of images that wait for a decoder. No more are requested until
                some of them are taken.
            store_of: finds the store of an address.
        """
        self._bytes_ahead = bytes_ahead
        self._access = access
        self._max_bytes = max_bytes
        self._threads = ThreadPoolExecutor(access.concurrent_reads, thread_name_prefix="fetch")
        self._store_of = store_of
        self._containers = OpenContainers(access, store_of)

    def requests(
        self,
        locations: Iterable[ImageLocation],
        meter: Meter,
        final_urls: list[str] | None = None,
    ) -> Iterator[FetchRequest]:
        """Yield the request for each image, in the order given.

        Args:
            locations: the locations of the images. Neighbours in a container that is read from its
                start are in its order.
            meter: counts the cost of fetching.
            final_urls: receives for each request the address that redirects led to; "" if none.
        """

        def taken(begun: FetchRequest | Future[_Fetched] | _Fetched) -> FetchRequest:
            request, final_url = _finish(begun, meter)
            if final_urls is not None:
                final_urls.append(final_url)
            return waiting.taken(request)

        ahead: deque[FetchRequest | Future[_Fetched] | _Fetched] = deque()
        waiting = _Waiting()
        for location in locations:
            begun = self._begin(location, waiting, meter)
            if not ahead and not isinstance(begun, Future):
                yield taken(begun)
                continue
            ahead.append(begun)
            while (
                len(ahead) > _LOOK_AHEAD * self._access.concurrent_reads
                or waiting.bytes > self._bytes_ahead
            ):
                yield taken(ahead.popleft())
        while ahead:
            yield taken(ahead.popleft())

    def close(self) -> None:
        """Stop reading."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._containers.close()

    def _begin(
        self, location: ImageLocation, waiting: "_Waiting", meter: Meter
    ) -> "FetchRequest | Future[_Fetched] | _Fetched":
        is_local = uris.scheme(location.address) == "file"
        if is_local and location.container in (None, ContainerKind.TAR, ContainerKind.ZIP):
            return location
        if location.read_together > 1:
            # Not in a thread: out of order, the container would be decompressed again and again.
            return self._fetch(location, waiting)
        return self._threads.submit(self._fetch, location, waiting)

    def _fetch(self, location: ImageLocation, waiting: "_Waiting") -> "_Fetched":
        meter = Meter()
        with meter.stage("fetch"):
            request, final_url = self._read(location)
        waiting.come(request)
        return _Fetched(request, meter, final_url)

    def _read(self, location: ImageLocation) -> tuple[FetchRequest, str]:
        try:
            with translate_store_errors():
                if location.container is ContainerKind.ZIP:
                    return self._zip_member(location), ""
                data, final_url = self._bytes(location)
                if location.digest:
                    verify_digest(data, location.digest)
                return data, final_url
        except ImageError as error:
            # A new object: traceback and cause would keep the picture's bytes as long as the error.
            return type(error)(*error.args), ""

    def _zip_member(self, location: ImageLocation) -> ZipMember:
        start, size = zips.span(location.place)
        check_span(size, self._max_bytes)
        store = self._store_of(location.address, self._access.settings)
        data = store.read(location.address, size, start, size, location.version)
        return ZipMember(data, location.place, location.digest)

    def _bytes(self, location: ImageLocation) -> tuple[bytes, str]:
        """Return the bytes of an image, and the address that redirects led to, if they did."""
        if location.read_together > 1:
            return self._containers.read(location, self._max_bytes), ""
        store = self._store_of(location.address, self._access.settings)
        if location.container is None:
            if isinstance(store, RedirectingStore):
                return store.read_redirected(location.address, self._max_bytes, location.version)
            return store.read(location.address, self._max_bytes, version=location.version), ""

        def part(start: int, size: int) -> bytes:
            return store.read(location.address, size, start, size, location.version)

        selection = self._access.selection
        return read_range(part, location.container, location.place, selection, self._max_bytes), ""


class _Fetched(NamedTuple):
    request: FetchRequest
    meter: Meter
    final_url: str


def _finish(
    begun: "FetchRequest | Future[_Fetched] | _Fetched", meter: Meter
) -> tuple[FetchRequest, str]:
    if isinstance(begun, Future):
        begun = begun.result()
    if isinstance(begun, _Fetched):
        meter.add(begun.meter.costs)
        return begun.request, begun.final_url
    return begun, ""


class _Waiting:
    """Counts the bytes that were fetched and are not yet taken.

    Attributes:
        bytes: the bytes of all of them.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()

    def come(self, request: FetchRequest) -> None:
        with self._lock:
            self.bytes += bytes_held(request)

    def taken(self, request: FetchRequest) -> FetchRequest:
        with self._lock:
            self.bytes -= bytes_held(request)
        return request
