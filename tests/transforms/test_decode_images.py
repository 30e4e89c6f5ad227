import hashlib
import pickle
from pathlib import Path
from typing import Any, ClassVar

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from imagebeam.images.reading.reader import ImageReader
from imagebeam.images.settings import Access, DecodeLimits, Preprocessing, ReadColumns
from imagebeam.resources import Resources
from imagebeam.transforms.decode_images import DecodeImages, HoldFn, fit_decoding
from imagebeam.transforms.elements import DecodedShard, Failure, Shard
from imagebeam.transforms.read_shard import ShardReader
from tests.transforms.pictures import SIZE, bad_entry, grey, listed


def test_pictures_and_failures_are_kept_apart_and_in_order(tmp_path: Path) -> None:
    light, dark = grey(tmp_path, "light.png", 200, (30, 20)), grey(tmp_path, "dark.png", 10)
    empty, missing = tmp_path / "empty.png", tmp_path / "missing.png"
    empty.touch()
    refs = (
        listed(light, 0),
        listed(str(empty), 1),
        bad_entry("list.txt#line=3", 2, "no name"),
        listed(str(missing), 3),
        listed(dark, 4),
    )
    shard = ShardReader(ImageReader(Preprocessing(SIZE), 2)).decoded(Shard("id", refs))
    assert (shard.id, shard.uris) == ("id", [light, dark])
    assert shard.widths.tolist() == [30, 10]
    assert shard.heights.tolist() == [20, 12]
    assert shard.pixels.dtype == np.uint8
    assert shard.pixels.shape == (2, *SIZE, 3)
    assert [np.unique(pixels).tolist() for pixels in shard.pixels] == [[200], [10]]
    assert shard.failures == (
        Failure("list.txt#line=3", "list", "bad_entry", "no name", False),
        Failure(str(empty), "decode", "empty_file", "0 bytes", False),
        Failure(str(missing), "fetch", "not_found", "No such file or directory", True),
    )
    assert list(shard.costs) == ["fetch", "decode"]


class _Recorded(ImageReader):
    events: ClassVar[list[str]] = []

    def start(self) -> None:
        self.events.append(f"{self.processes} started")

    def close(self) -> None:
        self.events.append("closed")
        super().close()


def test_processes_started_before_the_pipeline_serve_its_steps_and_end_with_the_block() -> None:
    _Recorded.events.clear()
    fn = HoldFn(Preprocessing(SIZE), 3, DecodeLimits(), Access(), None, _Recorded)
    with fn.started():
        assert _Recorded.events == ["3 started"]
        worker = pickle.loads(pickle.dumps(fn))
        worker.setup()
        worker.teardown()
        assert _Recorded.events == ["3 started"]
    assert _Recorded.events == ["3 started", "closed"]


def test_a_worker_without_shards_starts_no_processes() -> None:
    _Recorded.events.clear()
    fn = HoldFn(Preprocessing(SIZE), 3, DecodeLimits(), Access(), None, _Recorded)
    fn.setup()
    fn.teardown()
    assert _Recorded.events == []
    fn.setup()
    [held] = fn.process(Shard("id", ()))
    assert (held.pictures.images_ahead, _Recorded.events) == (96, ["3 started"])
    fn.teardown()
    assert _Recorded.events == ["3 started", "closed"]


def test_columns_of_reading_follow_those_of_the_listing(tmp_path: Path) -> None:
    good, missing = grey(tmp_path, "a.png", 200), str(tmp_path / "missing.png")
    empty = tmp_path / "empty.png"
    empty.touch()
    refs = (
        listed(good, 0)._replace(extra_columns=("x",)),
        listed(missing, 1),
        bad_entry("list.txt#line=3", 2, "no name"),
        listed(str(empty), 3)._replace(extra_columns=("y",)),
    )
    reader = ImageReader(Preprocessing(SIZE, digest="sha256"), processes=1)
    shard = ShardReader(reader, ReadColumns(1, True, True)).decoded(Shard("id", refs))
    reader.close()
    digest = hashlib.sha256(Path(good).read_bytes()).hexdigest()
    assert shard.extra_columns == [("x", digest, None)]
    assert [failure.extra_columns for failure in shard.failures] == [
        (None, None, None),
        (None, None, None),
        ("y", hashlib.sha256(b"").hexdigest(), None),
    ]


def test_a_shard_without_pictures_has_only_failures(tmp_path: Path) -> None:
    refs = (listed(str(tmp_path / "nothing.jpg"), 0),)
    shard = ShardReader(ImageReader(Preprocessing(SIZE), 1)).decoded(Shard("id", refs))
    assert shard.pixels.shape == (0, *SIZE, 3)
    assert [failure.code for failure in shard.failures] == ["not_found"]


def _seen(
    shard: DecodedShard,
    timestamp: Any = beam.DoFn.TimestampParam,
    window: Any = beam.DoFn.WindowParam,
) -> tuple[str, int, int, int]:
    level = int(shard.pixels.flat[0])
    return shard.id, level, int(timestamp.seconds()), int(window.start.seconds())


def test_shards_decoded_in_advance_keep_their_times_and_windows(tmp_path: Path) -> None:
    shards = [
        Shard(str(number), (listed(grey(tmp_path, f"{number}.png", number), number),))
        for number in range(25)
    ]
    with beam.Pipeline("FnApiRunner") as pipeline:
        seen = (
            pipeline
            | beam.Create(list(enumerate(shards)))
            | beam.MapTuple(lambda number, shard: TimestampedValue(shard, number))
            | beam.WindowInto(FixedWindows(10))
            | DecodeImages(Preprocessing(SIZE), 2, DecodeLimits())
            | beam.Map(_seen)
        )
        expected = [(str(number), number, number, number // 10 * 10) for number in range(25)]
        assert_that(seen, equal_to(expected))


@pytest.mark.parametrize(
    ("processes", "available", "expected", "memory", "pixels_at_once"),
    [
        (None, Resources(2), 2, 2_000_000_000, None),
        (None, Resources(64, 512_000_000), 2, 256_000_000, 3_250_000),
        (8, Resources(2), 8, 2_000_000_000, None),
        (8, Resources(64, 512_000_000), 2, 256_000_000, 3_250_000),
        # Turns make no sense for one process.
        (1, Resources(64, 512_000_000), 1, 256_000_000, None),
        (8, Resources(64, 200_000_000), 1, 100_000_000, None),
    ],
)
def test_decoding_follows_the_cores_and_the_memory_of_the_worker(
    processes: int | None,
    available: Resources,
    expected: int,
    memory: int,
    pixels_at_once: int | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fitting = fit_decoding(processes, DecodeLimits(), None, available)
    assert fitting == (expected, DecodeLimits(memory=memory, pixels_at_once=pixels_at_once))
    lowered = processes is not None and processes > expected
    assert (f"MB allows {expected}" in caplog.text) is lowered
