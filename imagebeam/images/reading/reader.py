"""Fetch and decode many images in parallel. Each ends in pixels or an error."""

import logging
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.images.decoded_image import DecodedImage
from imagebeam.images.digests import DIGEST_BYTES
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.decoded_batch import Outcome
from imagebeam.images.reading.decoding_process import DecodingProcess, NoDecoderError
from imagebeam.images.reading.fetch import FetchRequest
from imagebeam.images.reading.fetcher import Fetcher
from imagebeam.images.reading.picture_task import PictureTask, TaskLoadError
from imagebeam.images.reading.shared_pixels import SLOTS
from imagebeam.images.reading.turns import Turns
from imagebeam.images.settings import Access, DecodeLimits, Preprocessing
from imagebeam.images.stage_times import Meter, StageTimes, total

_log = logging.getLogger(__name__)

CHUNK = 16
"""Images that a decoding process gets at once, at least. Fewer cost more to send than they save."""

_CHUNK_STEP = 4
"""The size of a chunk is a multiple of this, the batch of LiteRT: the module runs on whole batches,
also if a part of the last one is empty."""

_CHUNK_BYTES = 8_000_000
"""Pixels that a decoding process holds for larger chunks."""

_CHUNKS_PER_PROCESS = 4
"""Chunks of a shard for each decoding process, so that all are busy until the shard is read."""


@dataclass(frozen=True, eq=False)
class ReadBytes:
    """The result of reading N images, in the order given.

    Attributes:
        costs: the costs of fetching, decoding and the task, summed over all processes.
        digests: uint8 (N, DIGEST_BYTES), of the encoded images if the preprocessing asks for them;
            0 where the bytes were not read, or their decoding process was lost.
        final_urls: for each image the address that redirects led to; "" if there were none.
    """

    costs: StageTimes
    digests: npt.NDArray[np.uint8] = field(
        default_factory=lambda: np.zeros((0, DIGEST_BYTES), np.uint8)
    )
    final_urls: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reading(ReadBytes):
    """The pictures of N images.

    Attributes:
        pixels: uint8 (N, H, W, 3), RGB; row i is valid only if image i was decoded.
        outcomes: for each image the picture, whose pixels are its row, or the error.
    """

    pixels: npt.NDArray[np.uint8]
    outcomes: list[DecodedImage | ImageError]


@dataclass(frozen=True, eq=False, kw_only=True)
class TaskValues(ReadBytes):
    """The values that a task returned for N images.

    Attributes:
        values: float32 (N, width); row i is valid only if image i has no error.
        outcomes: for each image the width and height of the original, or the error.
    """

    values: npt.NDArray[np.float32]
    outcomes: list[Outcome]


def pictures(
    pixels: npt.NDArray[np.uint8], outcomes: Sequence[Outcome]
) -> list[DecodedImage | ImageError]:
    """Return the outcomes with their rows of (N, H, W, 3) pixels."""
    return [
        outcome if isinstance(outcome, ImageError) else DecodedImage(pixels[row], *outcome)
        for row, outcome in enumerate(outcomes)
    ]


class ImageReader:
    """Decoding processes, and a thread that feeds each of them.

    One reader serves all shards and threads of a process.

    Attributes:
        processes: number of them.
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
        self.processes = processes
        self._usable = processes
        self._lock = threading.Lock()
        self._idle: SimpleQueue[DecodingProcess] = SimpleQueue()
        limits = limits or DecodeLimits()
        turns = None if limits.pixels_at_once is None else Turns(limits.pixels_at_once)
        decoding = [DecodingProcess(preprocessing, limits, turns) for _ in range(processes)]
        for process in decoding:
            self._idle.put(process)
        self._feeders = ThreadPoolExecutor(processes, thread_name_prefix="image-reader")
        # A reader that is dropped without `close` still ends its child processes.
        self._finalizer = weakref.finalize(
            self, _close, self._fetcher, self._feeders, decoding, turns
        )

    def start(self) -> None:
        """Start the decoding processes in the background instead of with the first images."""
        for _ in range(self.processes):
            self._feeders.submit(self._start_one)

    def read(self, wanted: Sequence[ImageLocation]) -> Reading:
        """Fetch and decode images."""
        pixels = np.empty((len(wanted), *self._size, 3), np.uint8)
        outcomes, read = self._process(wanted, pixels, None)
        return Reading(**vars(read), pixels=pixels, outcomes=pictures(pixels, outcomes))

    def answers(self, wanted: Sequence[ImageLocation], task: PictureTask) -> TaskValues:
        """Fetch and decode images, and run a task on them in the processes that decode them.

        Raises:
            TaskLoadError: a process cannot load the task.
        """
        values = np.empty((len(wanted), task.width), np.float32)
        outcomes, read = self._process(wanted, values, task)
        return TaskValues(**vars(read), values=values, outcomes=outcomes)

    def _process(
        self, wanted: Sequence[ImageLocation], results: npt.NDArray[Any], task: PictureTask | None
    ) -> tuple[list[Outcome], ReadBytes]:
        digests = np.zeros((len(wanted), DIGEST_BYTES), np.uint8)
        final_urls: list[str] = []
        outcomes: list[Outcome] = []
        meters = [Meter()]
        chunks: list[Future[list[Outcome]]] = []
        requests = self._fetcher.requests(wanted, meters[0], final_urls)
        size = chunk_size(len(wanted), self.processes, self._size)
        for start in range(0, len(wanted), size):
            chunk = list(islice(requests, size))
            meters.append(Meter())
            rows = slice(start, start + size)
            arguments = (chunk, results[rows], meters[-1], task, digests[rows])
            # Bounds the number of fetched images that wait for a decoder.
            if len(chunks) >= _CHUNKS_PER_PROCESS * self.processes:
                chunks[-_CHUNKS_PER_PROCESS * self.processes].result()
            chunks.append(self._feeders.submit(self._read_chunk, *arguments))
        # This thread wakes up once for all chunks.
        wait(chunks, return_when=FIRST_EXCEPTION)
        for done in chunks:
            outcomes += done.result()
        return outcomes, ReadBytes(total(meter.costs for meter in meters), digests, final_urls)

    def close(self) -> None:
        """End all decoding processes. A closed reader cannot be used again."""
        self._finalizer()

    def _start_one(self) -> None:
        process = self._idle.get()
        try:
            process.start()
        finally:
            self._idle.put(process)

    def _read_chunk(
        self,
        requests: Sequence[FetchRequest],
        results: npt.NDArray[Any],
        meter: Meter,
        task: PictureTask | None,
        digests: npt.NDArray[np.uint8],
    ) -> list[Outcome]:
        process = self._started(task)
        try:
            return process.read(requests, results, meter, task, digests)
        finally:
            self._idle.put(process)

    def _started(self, task: PictureTask | None) -> DecodingProcess:
        """Wait for a decoding process that is idle and can be started.

        Where the system allows only some of them, the others are not used any more.

        Raises:
            NoDecoderError: none can be started.
            TaskLoadError: the process cannot load the task.
        """
        while True:
            process = self._idle.get()
            try:
                process.start(task)
            except TaskLoadError:
                self._idle.put(process)
                raise
            except NoDecoderError as error:
                with self._lock:
                    is_last = self._usable == 1 or process.is_ended
                    self._usable -= not is_last
                if is_last:
                    self._idle.put(process)
                    raise
                _log.warning(
                    "%d of %d decoding processes are used: no more can be started (%s). Raise the "
                    "limits of processes and memory, or give a lower --decode-processes.",
                    self._usable,
                    self.processes,
                    error.__cause__,
                )
            else:
                return process


def chunk_size(images: int, processes: int, size: tuple[int, int]) -> int:
    """Return how many images of a shard a decoding process gets at once.

    Each chunk costs messages between processes and wakes threads, so few cores get large chunks.

    Args:
        processes: the number of processes that decode.
        size: (height, width) of a decoded picture.
    """
    most = min(SLOTS, _CHUNK_BYTES // (size[0] * size[1] * 3))
    wanted = ceil(images / (_CHUNKS_PER_PROCESS * processes))
    steps = min(most // _CHUNK_STEP, ceil(wanted / _CHUNK_STEP))
    return max(CHUNK, _CHUNK_STEP * steps)


def _close(
    fetcher: Fetcher,
    feeders: ThreadPoolExecutor,
    decoding: Sequence[DecodingProcess],
    turns: Turns | None,
) -> None:
    fetcher.close()
    # Their current work is no longer needed, and a picture may hang.
    for process in decoding:
        process.end()
    feeders.shutdown(cancel_futures=True)
    for process in decoding:
        process.close()
    if turns is not None:
        turns.close()
