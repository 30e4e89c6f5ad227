"""Shard → DecodedShard."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import starmap
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.utils.windowed_value import WindowedValue

from imagebeam import resources
from imagebeam.images import uris
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ListedImage
from imagebeam.images.reading.decoding_process import DecodeLimits
from imagebeam.images.reading.reader import ImageReader, Reading
from imagebeam.images.reading.shared_pixels import SLOTS
from imagebeam.images.settings import NO_READ_COLUMNS, Access, Preprocessing, ReadColumns
from imagebeam.resources import Resources
from imagebeam.storage.secrets import HideQuery
from imagebeam.transforms.elements import DecodedShard, Failure, Shard
from imagebeam.transforms.lookahead import Lookahead
from imagebeam.transforms.shared_resource import SharedResource
from imagebeam.transforms.worker_versions import check_versions, installed_versions

_log = logging.getLogger(__name__)

_SHARDS_AHEAD = 2
"""Shards that are read while an earlier one is scored. The second fills the gap that the first
leaves while its last images are being read."""

_IMAGES_AHEAD_PER_PROCESS = 2 * SLOTS
"""Images in progress per decoding process: the one that it decodes, and the next one."""


@dataclass
class DecodeImages(beam.PTransform):
    """Fetches the images of each shard concurrently and decodes them in child processes.

    An image that cannot be read, or that hangs or crashes its decoder, becomes a failure of its
    shard. The next shards are decoded while one shard is scored. Shuffles nothing.

    Attributes:
        preprocessing: how pictures become the input of the module.
        processes: decoding processes per worker; None for one per core, or as many as the memory
            of the worker allows.
        limits: time and memory that one image may take.
        access: how images are reached that are not local files.
        cores: of a worker process; None for all that it may use.
        columns: that reading adds to rows.
    """

    preprocessing: Preprocessing
    processes: int | None
    limits: DecodeLimits
    access: Access = field(default_factory=Access)
    cores: int | None = None
    columns: ReadColumns = NO_READ_COLUMNS

    def expand(self, shards: beam.PCollection[Shard]) -> beam.PCollection[DecodedShard]:
        """Decode the images of all shards."""
        decode = DecodeFn(
            self.preprocessing,
            self.processes,
            self.limits,
            self.access,
            self.cores,
            columns=self.columns,
        )
        return shards | beam.ParDo(decode).with_output_types(DecodedShard)


class DecodeFn(beam.DoFn):
    """Reads shards with one reader per worker process, a few shards ahead."""

    def __init__(
        self,
        preprocessing: Preprocessing,
        processes: int | None,
        limits: DecodeLimits,
        access: Access,
        cores: int | None,
        reader: Callable[[Preprocessing, int, DecodeLimits, Access], ImageReader] = ImageReader,
        columns: ReadColumns = NO_READ_COLUMNS,
    ) -> None:
        self._preprocessing = preprocessing
        self._processes = processes
        self._limits = limits
        self._access = access
        self._cores = cores
        self._make_reader = reader
        self._columns = columns
        self._shared = SharedResource[ImageReader]()
        self._versions = installed_versions()

    def setup(self) -> None:
        """Check the versions and start the decoding processes."""
        check_versions(self._versions)
        processes, limits = fit_decoding(
            self._processes, self._limits, self._cores, resources.available()
        )
        self._images_ahead = processes * _IMAGES_AHEAD_PER_PROCESS
        self._reader = self._shared.acquire(partial(self._start_reader, processes, limits))
        self._pool = ThreadPoolExecutor(
            max(_SHARDS_AHEAD, processes), thread_name_prefix="decode-images"
        )

    def _start_reader(self, processes: int, limits: DecodeLimits) -> ImageReader:
        reader = self._make_reader(self._preprocessing, processes, limits, self._access)
        # The processes start while the first images are listed.
        reader.start()
        return reader

    def start_bundle(self) -> None:
        """Start with no shard in progress."""
        self._pending = Lookahead[tuple[Future[DecodedShard], Any, Any]](
            _SHARDS_AHEAD, self._images_ahead
        )

    def process(
        self,
        shard: Shard,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[Any]:
        """Queue a shard; yield those that enough others follow."""
        future = self._pool.submit(
            decode_shard, shard, self._reader, self._columns, self._access.hide_query
        )
        self._pending.add(len(shard.images), (future, timestamp, window))
        yield from starmap(_windowed, self._pending.ready())

    def finish_bundle(self) -> Iterator[Any]:
        """Yield the shards in progress."""
        yield from starmap(_windowed, self._pending.drain())

    def teardown(self) -> None:
        """End the decoding processes, if no other copy uses them."""
        self._pool.shutdown(cancel_futures=True)
        self._shared.release()


def _windowed(future: Future[DecodedShard], timestamp: Any, window: Any) -> WindowedValue:
    return WindowedValue(future.result(), timestamp, (window,))


def fit_decoding(
    processes: int | None, limits: DecodeLimits, cores: int | None, available: Resources
) -> tuple[int, DecodeLimits]:
    """Return decoding processes and limits that fit into the cores and the memory of a worker.

    Args:
        processes: the number that the user chose; None for one per core.
        limits: of one image.
        cores: of a worker process; None for all that it may use.
        available: to this process.
    """
    if processes is None:
        fitting = available.decode_processes(cores)
    else:
        fitting = Resources(processes, available.memory).decode_processes()
        if fitting < processes:
            assert available.memory is not None
            _log.warning(
                "--decode-processes %d: the memory limit of %.0f MB allows %d. Using %d.",
                *(processes, available.memory / 1e6, fitting, fitting),
            )
    memory = available.memory_for_one_image(limits.memory)
    return fitting, replace(limits, memory=memory)


def decode_shard(
    shard: Shard,
    reader: ImageReader,
    columns: ReadColumns = NO_READ_COLUMNS,
    hide_query: HideQuery = "secret",
) -> DecodedShard:
    """Return the pictures of a shard, and a failure for each image that was not decoded.

    Args:
        shard: the images.
        reader: reads them.
        columns: that reading adds to rows.
        hide_query: which values of a URL's query the final URL hides.
    """

    def extra(image: ListedImage, read: Reading | None = None, row: int = 0) -> tuple[Any, ...]:
        if not (columns.digest or columns.final_url):
            return image.extra_columns
        added: list[str | None] = []
        if columns.digest:
            has_digest = read is not None and read.digests[row].any()
            added.append(read.digests[row].tobytes().hex() if read and has_digest else None)
        if columns.final_url:
            url = read.final_urls[row] if read is not None else ""
            added.append(uris.without_secrets(url, hide_query) if url else None)
        return (*(image.extra_columns or (None,) * columns.listed), *added)

    images = []
    locations = []
    failures = []
    for image in shard.images:
        if isinstance(image.location, ImageError):
            failures.append(Failure.of(image.uri, image.location, extra(image)))
        else:
            images.append(image)
            locations.append(image.location)
    reading = reader.read(locations)
    rows: list[int] = []
    sizes: list[tuple[int, int]] = []
    for row, (image, outcome) in enumerate(zip(images, reading.outcomes, strict=True)):
        if isinstance(outcome, ImageError):
            failures.append(Failure.of(image.uri, outcome, extra(image, reading, row)))
        else:
            rows.append(row)
            sizes.append((outcome.width, outcome.height))
    widths, heights = np.array(sizes, np.int32).reshape(-1, 2).T
    return DecodedShard(
        id=shard.id,
        uris=[images[row].uri for row in rows],
        extra_columns=[extra(images[row], reading, row) for row in rows],
        widths=widths,
        heights=heights,
        pixels=reading.pixels if len(rows) == len(images) else reading.pixels[rows],
        failures=tuple(failures),
        costs=reading.costs,
    )
