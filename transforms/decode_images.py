"""Shard → DecodedShard, or HeldShard."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import starmap
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from apache_beam.utils.windowed_value import WindowedValue

from imagebeam import resources
from imagebeam.images.reading.picture_task import PictureTask
from imagebeam.images.reading.reader import CHUNK, ImageReader
from imagebeam.images.settings import (
    NO_READ_COLUMNS,
    Access,
    DecodeLimits,
    Preprocessing,
    ReadColumns,
)
from imagebeam.resources import Resources
from imagebeam.transforms.elements import DecodedShard, HeldShard, ReadShard, Shard
from imagebeam.transforms.lookahead import Lookahead
from imagebeam.transforms.read_shard import ShardReader
from imagebeam.transforms.shared_resource import SharedResource
from imagebeam.transforms.worker_versions import check_versions, installed_versions

_log = logging.getLogger(__name__)

_SHARDS_AHEAD = 2
"""Shards that are read while an earlier one is scored. The second fills the gap that the first
leaves while its last images are being read."""

_IMAGES_AHEAD_PER_PROCESS = 2 * CHUNK
"""Images in progress per decoding process: the one that it decodes, and the next one."""


@dataclass
class DecodeImages(beam.PTransform):
    """Fetches the images of each shard concurrently and decodes them in child processes.

    An image that cannot be read, or that hangs or crashes its decoder, becomes a failure of its
    shard. The next shards are decoded while one shard is scored. Shuffles nothing.

    With `module_bytes`, the pictures stay in the processes that decode them, until `RunModule`
    runs its module there and takes the answers, which are smaller than pixels.

    Attributes:
        preprocessing: how pictures become the input of the module.
        processes: decoding processes per worker; None for one per core, or as many as the memory
            of the worker allows.
        limits: time and memory that one image may take.
        access: how images are reached that are not local files.
        cores: the number of cores of a worker process; None for all that it may use.
        columns: the columns that reading adds to rows.
        module_bytes: size of the module that the decoding processes will run. None gives out
            `DecodedShard` with pixels, otherwise `HeldShard`.
    """

    preprocessing: Preprocessing
    processes: int | None
    limits: DecodeLimits
    access: Access = field(default_factory=Access)
    cores: int | None = None
    columns: ReadColumns = NO_READ_COLUMNS
    module_bytes: int | None = None

    def __post_init__(self) -> None:
        """Make the step that runs on workers."""
        settings = (self.preprocessing, self.processes, self.limits, self.access, self.cores)
        self._fn: _ReadingFn
        self._made: type[DecodedShard | HeldShard]
        if self.module_bytes is None:
            self._fn, self._made = DecodeFn(*settings, columns=self.columns), DecodedShard
        else:
            self._fn = HoldFn(*settings, columns=self.columns, module_bytes=self.module_bytes)
            self._made = HeldShard

    def expand(self, shards: beam.PCollection[Shard]) -> beam.PCollection[DecodedShard | HeldShard]:
        """Decode the images of all shards."""
        return shards | beam.ParDo(self._fn).with_output_types(self._made)

    def started(self) -> AbstractContextManager[None]:
        """Have the decoding processes started in the block.

        Where this process will be a worker, they start while the pipeline is built and the images
        are listed, which leaves most cores idle.
        """
        return self._fn.started()


class _ReadingFn(beam.DoFn):
    """Has one reader per worker process."""

    def __init__(
        self,
        preprocessing: Preprocessing,
        processes: int | None,
        limits: DecodeLimits,
        access: Access,
        cores: int | None,
        reader: Callable[[Preprocessing, int, DecodeLimits, Access], ImageReader] = ImageReader,
        columns: ReadColumns = NO_READ_COLUMNS,
        module_bytes: int = 0,
    ) -> None:
        self._preprocessing = preprocessing
        self._processes = processes
        self._limits = limits
        self._access = access
        self._cores = cores
        self._make_reader = reader
        self._columns = columns
        self._module_bytes = module_bytes
        self._shared = SharedResource[ImageReader]()
        self._versions = installed_versions()

    def setup(self) -> None:
        """Check the versions. A job may have nothing to decode, so no process is started yet."""
        check_versions(self._versions)
        self._reader: ShardReader | None = None

    def _acquire(self) -> ShardReader:
        """Return what reads shards; start the decoding processes, if no other copy has."""
        if self._reader is None:
            reader = self._shared.acquire(self._start_reader)
            self._images_ahead = reader.processes * _IMAGES_AHEAD_PER_PROCESS
            self._reader = ShardReader(reader, self._columns, self._access.hide_query)
            self._pool = ThreadPoolExecutor(
                max(_SHARDS_AHEAD, reader.processes), thread_name_prefix="decode-images"
            )
        return self._reader

    @contextmanager
    def started(self) -> Iterator[None]:
        """Have the decoding processes started in the block."""
        self._shared.acquire(self._start_reader)
        try:
            yield
        finally:
            self._shared.release()

    def _start_reader(self) -> ImageReader:
        processes, limits = fit_decoding(
            self._processes,
            self._limits,
            self._cores,
            resources.available(),
            self._module_bytes,
        )
        reader = self._make_reader(self._preprocessing, processes, limits, self._access)
        reader.start()
        return reader

    def teardown(self) -> None:
        """End the decoding processes, if there are any and no other copy uses them."""
        if self._reader is not None:
            self._pool.shutdown(cancel_futures=True)
            self._shared.release()


class HoldFn(_ReadingFn):
    """Gives out shards whose pictures the decoding processes hold."""

    def process(self, shard: Shard) -> Iterator[HeldShard]:
        """Yield the shard."""
        reader = self._acquire()
        yield HeldShard(shard, _Held(shard, self._images_ahead, reader, self._pool))


@dataclass(frozen=True)
class _Held:
    """The pictures of a shard, which are read when they are needed."""

    shard: Shard
    images_ahead: int
    reader: ShardReader
    pool: ThreadPoolExecutor

    def decoded(self) -> DecodedShard:
        return self.reader.decoded(self.shard)

    def answers(self, task: PictureTask) -> "Future[tuple[ReadShard, npt.NDArray[np.float32]]]":
        return self.pool.submit(self.reader.answered, self.shard, task)


class DecodeFn(_ReadingFn):
    """Reads shards a few shards ahead."""

    def start_bundle(self) -> None:
        """Start with no shard in progress."""
        self._pending = Lookahead[tuple[Future[DecodedShard], Any, Any]](_SHARDS_AHEAD)

    def process(
        self,
        shard: Shard,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[Any]:
        """Queue a shard; yield those that enough others follow."""
        reader = self._acquire()
        future = self._pool.submit(reader.decoded, shard)
        self._pending.add(len(shard.images), (future, timestamp, window))
        yield from starmap(_windowed, self._pending.ready(self._images_ahead))

    def finish_bundle(self) -> Iterator[Any]:
        """Yield the shards in progress."""
        yield from starmap(_windowed, self._pending.drain())


def _windowed(future: Future[DecodedShard], timestamp: Any, window: Any) -> WindowedValue:
    return WindowedValue(future.result(), timestamp, (window,))


def fit_decoding(
    processes: int | None,
    limits: DecodeLimits,
    cores: int | None,
    available: Resources,
    module_bytes: int = 0,
) -> tuple[int, DecodeLimits]:
    """Return decoding processes and limits that fit into the cores and the memory of a worker.

    Args:
        processes: the number that the user chose; None for one per core.
        limits: the limits of one image.
        cores: the number of cores of a worker process; None for all that it may use.
        available: the resources available to this process.
        module_bytes: size of the module that each decoding process loads.
    """
    if processes is None:
        fitting = available.decode_processes(cores, module_bytes)
    else:
        fitting = Resources(processes, available.memory).decode_processes(None, module_bytes)
        if fitting < processes:
            assert available.memory is not None
            _log.warning(
                "--decode-processes %d: the memory limit of %.0f MB allows %d. Using %d.",
                *(processes, available.memory / 1e6, fitting, fitting),
            )
    memory = available.memory_for_one_image(limits.memory)
    at_once = available.pixels_at_once(fitting, module_bytes)
    return fitting, replace(limits, memory=memory, pixels_at_once=at_once)
