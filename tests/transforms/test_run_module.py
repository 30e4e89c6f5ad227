import threading
from dataclasses import replace
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import TimestampedValue

from imagebeam.images.stage_times import StageTime
from imagebeam.modules.engines import load_engine
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.open_module import open_module
from imagebeam.samples import MODULE
from imagebeam.transforms.elements import DecodedShard, Failure, ScoredShard
from imagebeam.transforms.parallel_engine import ParallelEngine, tensorflow_threads
from imagebeam.transforms.run_module import RunModule
from tests.transforms.pictures import MeanEngine, score_shard


def _pixels(*levels: int) -> npt.NDArray[np.uint8]:
    return np.array(levels, np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


def _shard(*levels: int) -> DecodedShard:
    count = len(levels)
    return DecodedShard(
        id="id",
        uris=[f"grey-{level}" for level in levels],
        extra_columns=[()] * count,
        widths=np.arange(count, dtype=np.int32),
        heights=np.arange(count, dtype=np.int32) + 100,
        pixels=_pixels(*levels),
        failures=(Failure("gone", "fetch", "not_found", "…", True),),
        costs={"decode": StageTime(1.5, 1.0)},
    )


def test_one_bad_picture_fails_alone() -> None:
    engine = MeanEngine(fails=lambda means: 13 in means)
    scored = score_shard(_shard(10, 11, 12, 13, 14), ParallelEngine(engine, 2))
    assert scored.uris == ["grey-10", "grey-11", "grey-12", "grey-14"]
    assert scored.widths.tolist() == [0, 1, 2, 4]
    assert scored.heights.tolist() == [100, 101, 102, 104]
    assert scored.outputs.features is not None
    assert scored.outputs.features.tolist() == [[10], [11], [12], [14]]
    assert scored.failures == (
        Failure("gone", "fetch", "not_found", "…", True),
        Failure("grey-13", "infer", "inference_failed", "RuntimeError: cannot answer", True),
    )
    assert scored.costs["decode"] == StageTime(1.5, 1.0)
    assert list(scored.costs) == ["decode", "infer"]


def test_no_picture_is_scored_twice() -> None:
    engine = MeanEngine(fails=lambda means: 13 in means)
    ParallelEngine(engine, 2).infer(_pixels(*range(10, 18)))
    kept = [means for means in engine.calls if 13 not in means]
    assert sorted(mean for means in kept for mean in means) == [10, 11, 12, 14, 15, 16, 17]


def test_all_threads_together_keep_the_order() -> None:
    engine = MeanEngine(fails=lambda means: 13 in means or 70 in means)
    answers, errors, costs = ParallelEngine(engine, 3).infer(_pixels(*range(100)))
    assert answers.features is not None
    kept = [level for level in range(100) if level not in (13, 70)]
    assert answers.features[:, 0].tolist() == kept
    assert sorted(errors) == [13, 70]
    # A block without a failure runs whole.
    assert [*range(28, 42)] in engine.calls
    assert set(costs) == {"infer"}


@pytest.mark.parametrize(
    ("threads", "pictures", "sizes"),
    [
        (1, 100, [14, 14, 14, 14, 14, 15, 15]),
        (4, 32, [8, 8, 8, 8]),
        (4, 20, [6, 7, 7]),
        (4, 48, [12, 12, 12, 12]),
        (64, 3, [3]),
    ],
)
def test_threads_take_blocks_of_8_to_16_pictures(
    threads: int, pictures: int, sizes: list[int]
) -> None:
    engine = MeanEngine()
    ParallelEngine(engine, threads).infer(_pixels(*range(pictures)))
    assert sorted(map(len, engine.calls)) == sizes


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (15, 1), (16, 2), (64, 8)])
def test_tensorflow_splits_a_batch_only_where_a_shard_cannot_occupy_all_cores(
    cores: int, threads: int
) -> None:
    assert tensorflow_threads(cores) == threads


def _seen(
    shard: ScoredShard, timestamp: Any = beam.DoFn.TimestampParam
) -> tuple[str, int, list[float]]:
    rows = [] if shard.outputs.scores is None else shard.outputs.scores[:, 0].tolist()
    return shard.id, int(timestamp.seconds()), rows


def test_each_shard_gets_the_outputs_of_its_own_pictures() -> None:
    module = open_module(str(MODULE))
    size = module.info.image_size
    shards = [
        replace(_shard(*[0] * number), id=str(number), pixels=pixels, failures=())
        for number in range(7)
        for pixels in [np.full((number, *size, 3), 40 * number, np.uint8)]
    ]
    engine = load_engine(module.engine, module.path, module.info)
    expected = [
        (shard.id, number, scores[:, 0].tolist())
        for number, shard in enumerate(shards)
        for scores in [engine.run(shard.pixels).scores]
        if scores is not None
    ]
    assert len({scores[0] for _, _, scores in expected if scores}) == 6
    with beam.Pipeline("FnApiRunner") as pipeline:
        scored = (
            pipeline
            | beam.Create(list(enumerate(shards)))
            | beam.MapTuple(lambda second, shard: TimestampedValue(shard, second))
            | RunModule(module, embed_model=True, cores=2)
            | beam.Map(_seen)
        )
        assert_that(scored, equal_to(expected))


def test_a_shard_does_not_wait_until_the_one_before_it_is_complete() -> None:
    """Let the first shard's last block and the second shard's blocks run at the same time."""
    meeting = threading.Barrier(2, timeout=60)

    class _MeetingEngine(MeanEngine):
        def run(self, pixels: npt.NDArray[np.uint8]) -> ModelOutputs:
            meeting.wait()
            return super().run(pixels)

    engine = ParallelEngine(_MeetingEngine(), 2)
    first, second = engine.start(_pixels(1)), engine.start(_pixels(2))
    for inference, level in ((first, 1), (second, 2)):
        outputs, errors, _ = inference.result()
        assert errors == {}
        assert outputs.features is not None
        assert outputs.features.tolist() == [[level]]


def test_a_module_that_always_fails_leaves_only_failures() -> None:
    scored = score_shard(_shard(1, 2, 3), ParallelEngine(MeanEngine(lambda means: True), 2))
    assert scored.uris == []
    assert [failure.uri for failure in scored.failures] == ["gone", "grey-1", "grey-2", "grey-3"]
    assert (scored.outputs.logits, scored.outputs.scores) == (None, None)


class _NanEngine(MeanEngine):
    def run(self, pixels: npt.NDArray[np.uint8]) -> ModelOutputs:
        answers = super().run(pixels)
        assert answers.features is not None
        answers.features[pixels[:, 0, 0, 0] == 7] = np.nan
        return answers


def test_an_output_that_is_not_finite_is_a_failure() -> None:
    answers, errors, _ = ParallelEngine(_NanEngine(), 2).infer(_pixels(6, 7, 8))
    assert answers.features is not None
    assert answers.features.tolist() == [[6], [8]]
    assert {row: error.code for row, error in errors.items()} == {1: "not_finite"}


def test_no_pictures_need_no_module() -> None:
    engine = MeanEngine()
    answers, errors, _ = ParallelEngine(engine, 2).infer(_pixels())
    assert (answers.logits, answers.scores, answers.features) == (None, None, None)
    assert errors == {}
    assert engine.calls == []
