"""Many images at once: fetched and decoded side by side, each ending in pixels or an error."""

import math
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt

from imagebeam.images.decode import DecodedImage
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.decoding_process import DecodeLimits, DecodingProcess
from imagebeam.images.reading.fetch import FetchRequest
from imagebeam.images.reading.fetcher import Fetcher
from imagebeam.images.reading.shared_pixels import SLOTS
from imagebeam.images.settings import Access, Preprocessing
from imagebeam.images.stage_times import Meter, StageTimes, total

_ACCESS = Access()
_AHEAD_BYTES = 44_000_000
"""Of pixels that `ImageReader.read_ahead` makes: they wait in memory."""

_CHUNKS_AHEAD = 4
"""Chunks that wait for a decoding process, for each of them."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What became of N images, in the order given.

    Attributes:
        pixels: uint8 (N, H, W, 3), RGB; row i is valid only if image i was decoded.
        outcomes: each picture, whose pixels are its row, or its error.
        costs: of fetching and decoding them, added up over the processes that did it.
    """

    pixels: npt.NDArray[np.uint8]
    outcomes: list[DecodedImage | ImageError]
    costs: StageTimes


@dataclass(frozen=True, eq=False)
class _Ahead:
    """An image that was read before anybody asked: its place in a chunk of such images."""

    chunk: "Future[list[DecodedImage | ImageError]]"
    pixels: npt.NDArray[np.uint8]
    row: int


class ImageReader:
    """Decoding processes, and a thread that feeds each of them.

    One reader serves all shards and threads of a process: see `shared_reader`.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        processes: int,
        limits: DecodeLimits | None = None,
        access: Access | None = None,
    ) -> None:
        self._size = preprocessing.size
        self._fetcher = Fetcher(access or Access(), preprocessing.max_bytes)
        self._processes = processes
        self._idle: SimpleQueue[DecodingProcess] = SimpleQueue()
        decoding = [
            DecodingProcess(preprocessing, limits or DecodeLimits()) for _ in range(processes)
        ]
        for process in decoding:
            self._idle.put(process)
        self._feeders = ThreadPoolExecutor(processes, thread_name_prefix="image-reader")
        self._ahead: dict[ImageLocation, _Ahead] = {}
        self._ahead_meters: dict[Future[list[DecodedImage | ImageError]], Meter] = {}
        # Steps share a reader, and nobody tells it when the last one is through.
        self._finalizer = weakref.finalize(self, _close, self._fetcher, self._feeders, decoding)

    def start(self) -> None:
        """Let the decoding processes start now, and not with the first images; waits for none."""
        for _ in range(self._processes):
            self._feeders.submit(self._start_one)

    def read_ahead(self, locations: Iterable[ImageLocation]) -> None:
        """Begin with the first of the local files that will be asked for; waits for none.

        Args:
            locations: of all images; no more of them are looked at than pixels may wait in memory.
        """
        first = list(islice(locations, _AHEAD_BYTES // (math.prod(self._size) * 3)))
        for start in range(0, len(first), SLOTS):
            some = first[start : start + SLOTS]
            pixels, meter = np.empty((len(some), *self._size, 3), np.uint8), Meter()
            chunk = self._feeders.submit(self._read_chunk, some, pixels, meter)
            self._ahead_meters[chunk] = meter
            self._ahead |= {
                location: _Ahead(chunk, pixels, row) for row, location in enumerate(some)
            }

    def read(self, wanted: Sequence[ImageLocation]) -> Reading:
        """Fetch and decode images."""
        if not self._ahead:
            return self._read(wanted)
        ahead = {row: found for row, each in enumerate(wanted) if (found := self._taken(each))}
        rest = [row for row in range(len(wanted)) if row not in ahead]
        read = self._read([wanted[row] for row in rest])
        pixels = np.empty((len(wanted), *self._size, 3), np.uint8)
        pixels[rest] = read.pixels
        outcomes = dict(zip(rest, read.outcomes, strict=True))
        costs = [read.costs]
        for row, found in ahead.items():
            outcomes[row] = found.chunk.result()[found.row]
            pixels[row] = found.pixels[found.row]
            # The first to take an image of a chunk counts what the chunk cost.
            costs.append(self._ahead_meters.pop(found.chunk, Meter()).costs)
        return Reading(pixels, [outcomes[row] for row in range(len(wanted))], total(costs))

    def _taken(self, location: ImageLocation) -> _Ahead | None:
        return self._ahead.pop(location, None)

    def _read(self, wanted: Sequence[ImageLocation]) -> Reading:
        pixels = np.empty((len(wanted), *self._size, 3), np.uint8)
        outcomes: list[DecodedImage | ImageError] = []
        meters = [Meter()]
        decoding: deque[Future[list[DecodedImage | ImageError]]] = deque()
        requests = self._fetcher.requests(wanted, meters[0])
        for start in range(0, len(wanted), SLOTS):
            chunk = list(islice(requests, SLOTS))
            meters.append(Meter())
            rows = pixels[start : start + SLOTS]
            decoding.append(self._feeders.submit(self._read_chunk, chunk, rows, meters[-1]))
            # What is fetched waits here, and not by the hundred in front of the decoders.
            if len(decoding) > _CHUNKS_AHEAD * self._processes:
                outcomes += decoding.popleft().result()
        for chunk_decoding in decoding:
            outcomes += chunk_decoding.result()
        return Reading(pixels, outcomes, total(meter.costs for meter in meters))

    def close(self) -> None:
        """End all decoding processes; a reader that is closed reads no more."""
        self._finalizer()

    def _start_one(self) -> None:
        process = self._idle.get()
        try:
            process.start()
        finally:
            self._idle.put(process)

    def _read_chunk(
        self, requests: Sequence[FetchRequest], pixels: npt.NDArray[np.uint8], meter: Meter
    ) -> list[DecodedImage | ImageError]:
        process = self._idle.get()
        try:
            return process.read(requests, pixels, meter)
        finally:
            self._idle.put(process)


def _close(
    fetcher: Fetcher, feeders: ThreadPoolExecutor, decoding: Sequence[DecodingProcess]
) -> None:
    fetcher.close()
    # Nobody waits for what they are at any more, least of all for a picture that hangs.
    for process in decoding:
        process.end()
    feeders.shutdown(cancel_futures=True)
    for process in decoding:
        process.close()


def shared_reader(
    preprocessing: Preprocessing, processes: int, limits: DecodeLimits, access: Access = _ACCESS
) -> ImageReader:
    """This process's reader for these settings, made by whoever asks first."""
    return _shared.reader((preprocessing, processes, limits, access))


def close_shared_reader() -> None:
    """End this process's reader, when all who asked for it are through."""
    _shared.close()


class _Shared:
    """The latest reader that was asked for; one before it ends with its last user."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settings: tuple[Preprocessing, int, DecodeLimits, Access] | None = None
        self._reader: ImageReader | None = None

    def reader(self, settings: tuple[Preprocessing, int, DecodeLimits, Access]) -> ImageReader:
        with self._lock:
            if self._reader is None or self._settings != settings:
                self._settings, self._reader = settings, ImageReader(*settings)
            return self._reader

    def close(self) -> None:
        with self._lock:
            if self._reader is not None:
                self._reader.close()
            self._reader = None


_shared = _Shared()
