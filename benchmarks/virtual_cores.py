"""Measure how well the job keeps many cores busy, on a machine that has few.

python -m benchmarks.virtual_cores 4 16 64

Decoding and inference are replaced by waiting for a token, of which there is one per virtual core.
All waits are long, so that the real work of the orchestration takes little of the time: the share
that is lost is lost by waiting for each other. An image takes the CPU time that it takes with
MobileNet V1 0.5/160 on photos of 500×375, times `--scale`.
"""

import argparse
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions

from imagebeam.beam_pipeline.runners.beam_internals import local_runner
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.reading.picture_task import PictureTask
from imagebeam.images.reading.reader import TaskValues, chunk_size
from imagebeam.images.settings import Access, DecodeLimits, Preprocessing
from imagebeam.modules.handles.catalogue import DEMO
from imagebeam.modules.open_module import open_module
from imagebeam.transforms.decode_images import HoldFn
from imagebeam.transforms.elements import HeldShard, ScoredShard, Shard
from imagebeam.transforms.module_loader import ModuleLoader
from imagebeam.transforms.run_module import RunFn

_IMAGE_SECONDS, _WRITE_SECONDS = 2.1e-3, 6e-3
_SHARD = 208
_SIZE = (4, 4)
_SPREAD = 0.4


class _Cores:
    """Virtual cores: no more waits at once than there are cores."""

    def __init__(self, count: int, scale: float) -> None:
        self._tokens = threading.Semaphore(count)
        self._scale = scale
        self._random = random.Random(0)

    def work(self, seconds: float) -> None:
        """Occupy a core for about so long; the mean over many calls is exact."""
        with self._tokens:
            time.sleep(seconds * self._scale * self._random.uniform(1 - _SPREAD, 1 + _SPREAD))


_cores: _Cores
"""The cores of this process.

A global, because Beam pickles its steps, and a copy would have its own tokens.
"""


class _Reader:
    """Has the interface of ImageReader, and waits instead of decoding."""

    def __init__(
        self, preprocessing: Preprocessing, processes: int, limits: DecodeLimits, access: Access
    ) -> None:
        self.processes = processes
        self._threads = ThreadPoolExecutor(processes)

    def start(self) -> None:
        """Do nothing: there is no process to start."""

    def answers(self, locations: Sequence[ImageLocation], task: PictureTask) -> TaskValues:
        """Wait for a core per chunk, as decoding processes take chunks."""
        most = chunk_size(len(locations), self.processes, _SIZE)
        sizes = [min(most, len(locations) - start) for start in range(0, len(locations), most)]
        list(self._threads.map(lambda size: _cores.work(_IMAGE_SECONDS * size), sizes))
        values = np.zeros((len(locations), task.width), np.float32)
        return TaskValues(costs={}, values=values, outcomes=[_SIZE] * len(locations))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()


def _write(shard: ScoredShard, scale: float) -> str:
    time.sleep(_WRITE_SECONDS * scale)
    return shard.id


def share(cores: int, images_per_core: int, scale: float) -> float:
    """Return the part of the cores' time that is used, start included."""
    global _cores  # see its description
    _cores = _Cores(cores, scale)
    count = max(1, cores * images_per_core // _SHARD)
    shards = [Shard(str(number), _images(number)) for number in range(count)]
    hold: Any = HoldFn(
        Preprocessing(_SIZE),
        cores,
        DecodeLimits(),
        Access(),
        cores,
        _Reader,  # type: ignore[arg-type]
    )
    run: Any = RunFn(ModuleLoader(open_module(DEMO), embed_model=True), cores)
    start = time.monotonic()
    pipeline = beam.Pipeline(local_runner(), options=PipelineOptions([]))
    _ = (
        pipeline
        | beam.Create(shards, reshuffle=False)
        | beam.ParDo(hold).with_output_types(HeldShard)
        | beam.ParDo(run).with_output_types(ScoredShard)
        | beam.Map(_write, scale)
    )
    pipeline.run().wait_until_finish()
    spent = time.monotonic() - start
    return count * _SHARD * _IMAGE_SECONDS * scale / cores / spent


def _images(shard: int) -> tuple[ListedImage, ...]:
    names = [f"/{shard}/{row}.jpg" for row in range(_SHARD)]
    return tuple(ListedImage(name, ImageLocation(name), (), row) for row, name in enumerate(names))


def main(cores: Sequence[int], images_per_core: int, scale: float) -> None:
    """Print the share at each number of cores."""
    for count in cores:
        print(f"{count:3d} cores: {share(count, images_per_core, scale):.2f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cores", type=int, nargs="+")
    parser.add_argument("--images-per-core", type=int, default=1000)
    parser.add_argument("--scale", type=float, default=30.0)
    arguments = parser.parse_args()
    # Under its own name: Beam pickles by value what is defined in `__main__`.
    from benchmarks import virtual_cores

    virtual_cores.main(arguments.cores, arguments.images_per_core, arguments.scale)
