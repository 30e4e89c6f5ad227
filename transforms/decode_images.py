"""Shard → DecodedShard."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.utils.windowed_value import WindowedValue

from imagebeam.images.errors import ImageError
from imagebeam.images.reading.decoding_process import DecodeLimits
from imagebeam.images.reading.reader import ImageReader, shared_reader
from imagebeam.images.settings import Access, Preprocessing
from imagebeam.transforms.elements import DecodedShard, Failure, Shard
from imagebeam.transforms.worker_versions import check_versions, held_versions

_SHARDS_AHEAD = 2
"""Shards that are read while the one before them is scored: each begins before its turn, and the
second fills the gap that the first leaves when its last images are waited for."""


@dataclass
class DecodeImages(beam.PTransform):
    """Fetches each shard's images, many at once, and decodes them in child processes.

    An image that cannot be had, or that hangs or crashes its decoder, becomes a failure of its
    shard. While one shard is scored the next are decoded already. Shuffles nothing.

    Attributes:
        preprocessing: how pictures become the module's input.
        processes: decoding processes of each worker.
        limits: what one image may cost.
        access: how images are reached that are no local files.
    """

    preprocessing: Preprocessing
    processes: int
    limits: DecodeLimits
    access: Access = field(default_factory=Access)

    def expand(self, shards: Any) -> Any:
        """PCollection of Shard → PCollection of DecodedShard."""
        decode = _DecodeFn(self.preprocessing, self.processes, self.limits, self.access)
        return shards | beam.ParDo(decode).with_output_types(DecodedShard)


class _DecodeFn(beam.DoFn):
    """Uses the reader that all threads of the process share."""

    def __init__(
        self, preprocessing: Preprocessing, processes: int, limits: DecodeLimits, access: Access
    ) -> None:
        self._preprocessing = preprocessing
        self._processes = processes
        self._limits = limits
        self._access = access
        self._versions = held_versions()

    def setup(self) -> None:
        check_versions(self._versions)
        self._reader = shared_reader(
            self._preprocessing, self._processes, self._limits, self._access
        )

        self._ahead = ThreadPoolExecutor(_SHARDS_AHEAD, thread_name_prefix="decode-images")

    def start_bundle(self) -> None:
        self._decoding: deque[tuple[Future[DecodedShard], Any, Any]] = deque()

    def process(
        self,
        shard: Shard,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[Any]:
        decoding = self._ahead.submit(decode_shard, shard, self._reader)
        self._decoding.append((decoding, timestamp, window))
        if len(self._decoding) > _SHARDS_AHEAD:
            yield self._next()

    def finish_bundle(self) -> Iterator[Any]:
        while self._decoding:
            yield self._next()

    def _next(self) -> WindowedValue:
        decoding, timestamp, window = self._decoding.popleft()
        return WindowedValue(decoding.result(), timestamp, (window,))

    def teardown(self) -> None:
        self._ahead.shutdown(cancel_futures=True)


def decode_shard(shard: Shard, reader: ImageReader) -> DecodedShard:
    """Decode the shard's pictures, with a failure for each image that has none."""
    sound = []
    locations = []
    failures = []
    for image in shard.images:
        if isinstance(image.location, ImageError):
            failures.append(Failure.of(image.uri, image.location, image.extra_columns))
        else:
            sound.append(image)
            locations.append(image.location)
    reading = reader.read(locations)
    rows: list[int] = []
    sizes: list[tuple[int, int]] = []
    for row, (image, outcome) in enumerate(zip(sound, reading.outcomes, strict=True)):
        if isinstance(outcome, ImageError):
            failures.append(Failure.of(image.uri, outcome, image.extra_columns))
        else:
            rows.append(row)
            sizes.append((outcome.width, outcome.height))
    widths, heights = np.array(sizes, np.int32).reshape(-1, 2).T
    return DecodedShard(
        id=shard.id,
        uris=[sound[row].uri for row in rows],
        extra_columns=[sound[row].extra_columns for row in rows],
        widths=widths,
        heights=heights,
        pixels=reading.pixels if len(rows) == len(sound) else reading.pixels[rows],
        failures=tuple(failures),
        costs=reading.costs,
    )
