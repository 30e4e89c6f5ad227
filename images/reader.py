"""Many images at once: fetched and decoded side by side, each ending in pixels or an error."""

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

    One reader serves all shards and threads of a process.
    """

    def __init__(
        self, preprocessing: Preprocessing, processes: int, limits: Limits | None = None
    ) -> None:
        self._idle: SimpleQueue[DecodingProcess] = SimpleQueue()
        for _ in range(processes):
            self._idle.put(DecodingProcess(preprocessing, limits or Limits()))
        self._feeders = ThreadPoolExecutor(processes, thread_name_prefix="image-reader")
        # Beam shares a reader between steps and tells nobody when the last one is through.
        self._finalizer = weakref.finalize(self, _close, self._feeders, self._idle)

    def read(self, uris: Sequence[str]) -> Iterator[Outcome]:
        """The picture behind each URI, or the error that it ends in, in the order given."""
        chunks = (uris[start : start + _CHUNK] for start in range(0, len(uris), _CHUNK))
        for outcomes in self._feeders.map(self._read_chunk, chunks):
            yield from outcomes

    def close(self) -> None:
        """End all decoding processes; a reader that is closed reads no more."""
        self._finalizer()

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
