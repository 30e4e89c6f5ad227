"""Test that a module gives the same outputs where pictures are decoded as from their pixels."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from imagebeam.images.reading.reader import ImageReader
from imagebeam.images.settings import DecodeLimits, Preprocessing
from imagebeam.modules.engines import load_engine
from imagebeam.modules.open_module import open_module
from imagebeam.modules.staging import module_bytes
from imagebeam.samples import MODULE
from imagebeam.scoring.module_task import ModuleTask, answer_bytes, task_heads
from imagebeam.transforms.decode_images import DecodeImages
from imagebeam.transforms.elements import ScoredShard, Shard
from imagebeam.transforms.read_shard import ShardReader
from imagebeam.transforms.run_module import RunModule
from tests.transforms.pictures import bad_entry, grey, listed

_MODULE = open_module(str(MODULE))


def _shards(folder: Path) -> list[Shard]:
    """Return shards of 1, 6, 11, … images, each with one that cannot be listed or decoded."""
    shards = []
    for number in range(5):
        images = [
            listed(grey(folder, f"{number}-{row}.png", 10 * row, (50, 40)), row)
            for row in range(5 * number)
        ]
        bad = bad_entry("?", 99, "no name") if number % 2 else listed(str(folder / "gone"), 99)
        shards.append(Shard(str(number), (*images, bad)))
    return shards


def _seen(
    shard: ScoredShard,
    timestamp: Any = beam.DoFn.TimestampParam,
    window: Any = beam.DoFn.WindowParam,
) -> tuple[Any, ...]:
    scores = shard.outputs.scores
    return (
        *(shard.id, int(timestamp.seconds()), int(window.start.seconds())),
        *(shard.uris, shard.widths.tolist(), shard.heights.tolist()),
        *([] if scores is None else scores.tolist(), shard.failures),
    )


def _expected(shards: list[Shard]) -> list[tuple[Any, ...]]:
    """Score the pixels of the shards in this process."""
    reader = ImageReader(Preprocessing(_MODULE.info.image_size), 1)
    engine = load_engine(_MODULE.engine, _MODULE.path, _MODULE.info)
    rows = []
    for second, shard in enumerate(shards):
        decoded = ShardReader(reader).decoded(shard)
        scores = engine.run(decoded.pixels).scores
        assert scores is not None
        sizes = (decoded.widths.tolist(), decoded.heights.tolist())
        names = (shard.id, second, second // 2 * 2, decoded.uris)
        rows.append((*names, *sizes, scores.tolist(), decoded.failures))
    reader.close()
    return rows


@pytest.mark.parametrize("crosses_processes", [False, True])
def test_held_pictures_get_the_outputs_of_their_pixels(
    tmp_path: Path, crosses_processes: bool
) -> None:
    shards = _shards(tmp_path)
    size = module_bytes(_MODULE)
    with beam.Pipeline("FnApiRunner") as pipeline:
        held = (
            pipeline
            | beam.Create(list(enumerate(shards)))
            | beam.MapTuple(lambda second, shard: TimestampedValue(shard, second))
            | beam.WindowInto(FixedWindows(2))
            | DecodeImages(
                Preprocessing(_MODULE.info.image_size), 2, DecodeLimits(), module_bytes=size
            )
        )
        if crosses_processes:
            held |= beam.Reshuffle()
        scored = held | RunModule(_MODULE, embed_model=True, heads=("scores",)) | beam.Map(_seen)
        assert_that(scored, equal_to(_expected(shards)))


def test_a_module_that_cannot_be_loaded_ends_the_pipeline(tmp_path: Path) -> None:
    other = replace(_MODULE, info=replace(_MODULE.info, class_count=7))
    preprocessing = Preprocessing(_MODULE.info.image_size)
    reason = "its class_count is 24 and was 7 when the job started"
    with pytest.raises(Exception, match=reason), beam.Pipeline("FnApiRunner") as pipeline:
        _ = (
            pipeline
            | beam.Create(_shards(tmp_path)[1:2])
            | DecodeImages(preprocessing, 1, DecodeLimits(), module_bytes=0)
            | RunModule(other, embed_model=True)
        )


def test_only_the_heads_that_are_needed_are_sent() -> None:
    info = replace(
        _MODULE.info, heads=frozenset({"scores", "logits", "features"}), feature_length=5
    )
    assert task_heads(info, ("scores",)) == ("scores",)
    assert task_heads(info, ("features", "logits")) == ("logits", "features")
    assert task_heads(info, None) == ("logits", "scores", "features")
    assert answer_bytes(info, ("scores", "features")) == 4 * (24 + 5)
    two_classes = replace(info, class_count=2)
    task = ModuleTask("key", "litert", b"", "it", two_classes, task_heads(two_classes, None))
    assert task.width == 2 + 2 + 5
    outputs = task.outputs(np.arange(18, dtype=np.float32).reshape(2, 9))
    assert outputs.logits is not None
    assert outputs.scores is not None
    assert outputs.features is not None
    assert outputs.logits.tolist() == [[0, 1], [9, 10]]
    assert outputs.scores.tolist() == [[2, 3], [11, 12]]
    assert outputs.features.tolist() == [[4, 5, 6, 7, 8], [13, 14, 15, 16, 17]]
