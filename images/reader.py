"""Many images at once: fetched and decoded side by side, each ending in pixels or an error."""

import functools
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from images.isolation import DecodingProcess, Limits
from images.outcomes import Outcome
from images.preprocessing import Preprocessing

_CHUNK = 16
"""Images that a decoding process is given at once: enough to hide the way there."""


class ImageReader:
    """Decoding processes, and a thread that feeds each of them.

    One reader serves all shards and threads of a process: see `shared_reader`.
    """

    def __init__(
        self, preprocessing: Preprocessing, processes: int, limits: Limits | None = None
    ) -> None:
        self._processes = processes
        self._idle: SimpleQueue[DecodingProcess] = SimpleQueue()
        for _ in range(processes):
            self._idle.put(DecodingProcess(preprocessing, limits or Limits()))
        self._feeders = ThreadPoolExecutor(processes, thread_name_prefix="image-reader")
        # Steps share a reader, and nobody tells it when the last one is through.
        self._finalizer = weakref.finalize(self, _close, self._feeders, self._idle)

    def start(self) -> None:
        """Let the decoding processes start now, and not with the first images; waits for none."""
        for _ in range(self._processes):
            self._feeders.submit(self._start_one)

    def read(self, uris: Sequence[str]) -> Iterator[Outcome]:
        """The picture behind each URI, or the error that it ends in, in the order given."""
        chunks = (uris[start : start + _CHUNK] for start in range(0, len(uris), _CHUNK))
        for outcomes in self._feeders.map(self._read_chunk, chunks):
            yield from outcomes

    def close(self) -> None:
        """End all decoding processes; a reader that is closed reads no more."""
        self._finalizer()

    def _start_one(self) -> None:
        process = self._idle.get()
        try:
            process.start()
        finally:
            self._idle.put(process)

    def _read_chunk(self, uris: Sequence[str]) -> list[Outcome]:
        process = self._idle.get()
        try:
            return process.read(uris)
        finally:
            self._idle.put(process)


def _close(feeders: ThreadPoolExecutor, idle: "SimpleQueue[DecodingProcess]") -> None:
    feeders.shutdown(cancel_futures=True)
    while not idle.empty():
        idle.get().close()


def shared_reader(preprocessing: Preprocessing, processes: int, limits: Limits) -> ImageReader:
    """This process's reader for these settings, made by whoever asks first."""
    with _making:
        return _make_reader(preprocessing, processes, limits)


def forget_shared_reader() -> None:
    """Let the next one who asks have a new reader; this one ends with its last user."""
    with _making:
        _make_reader.cache_clear()


_making = threading.Lock()
_make_reader = functools.lru_cache(maxsize=1)(ImageReader)
