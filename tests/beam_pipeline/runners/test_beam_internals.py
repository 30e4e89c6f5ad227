"""Nothing is lost between two steps while several worker threads write."""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.worker.statesampler import StateSampler
from apache_beam.utils.counters import CounterFactory

from imagebeam.beam_pipeline.runners.beam_internals import local_runner

_SECONDS = 2.5


def _numbers(source: int, folder: Path) -> Iterator[tuple[int, int]]:
    """As many as come in some seconds: a buffer that is sent off by the clock is so, twice."""
    end, count = time.monotonic() + _SECONDS, 0
    while time.monotonic() < end:
        yield source, count
        count += 1
        sum(range(200))
    (folder / str(source)).write_text(str(count))


def _missing(group: tuple[int, Iterable[int]], folder: Path) -> tuple[int, int]:
    source, numbers = group
    count = int((folder / str(source)).read_text())
    return source, len(set(range(count)) - set(numbers))


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as they can, so that what may come between two lines does."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
def test_what_two_threads_write_for_seconds_arrives_whole(tmp_path: Path) -> None:
    options = PipelineOptions(direct_num_workers=2, direct_running_mode="multi_threading")
    with beam.Pipeline(local_runner(), options=options) as pipeline:
        missing = (
            pipeline
            | beam.Create([0, 1])
            | beam.FlatMap(_numbers, tmp_path)
            | beam.GroupByKey()
            | beam.Map(_missing, tmp_path)
        )
        _ = missing | beam.Map(lambda pair: (tmp_path / f"m{pair[0]}").write_text(str(pair[1])))
    assert [int((tmp_path / f"m{source}").read_text()) for source in (0, 1)] == [0, 0]


def test_a_stage_does_not_wait_long_for_the_thread_that_looks_at_it() -> None:
    local_runner()
    assert StateSampler("step", CounterFactory()).sampling_period_ms == 10
