import os

import numpy as np
import numpy.typing as npt
import pytest

from imagebeam.images.stage_times import StageTime
from imagebeam.modules import ModelOutputs, open_module
from imagebeam.samples import MODULE
from imagebeam.transforms.elements import DecodedShard, Failure
from imagebeam.transforms.run_module import ShardModelHandler, answer, score_shard
from tests.transforms.pictures import MeanEngine


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


def test_one_poisoned_picture_costs_only_itself() -> None:
    engine = MeanEngine(fails=lambda means: 13 in means)
    scored = score_shard(_shard(10, 11, 12, 13, 14), engine)
    assert scored.uris == ["grey-10", "grey-11", "grey-12", "grey-14"]
    assert scored.widths.tolist() == [0, 1, 2, 4]
    assert scored.heights.tolist() == [100, 101, 102, 104]
    assert scored.answers.features is not None
    assert scored.answers.features.tolist() == [[10], [11], [12], [14]]
    assert scored.failures == (
        Failure("gone", "fetch", "not_found", "…", True),
        Failure("grey-13", "infer", "inference_failed", "RuntimeError: cannot answer", True),
    )
    assert scored.costs["decode"] == StageTime(1.5, 1.0)
    assert list(scored.costs) == ["decode", "infer"]


def test_no_picture_is_answered_twice() -> None:
    engine = MeanEngine(fails=lambda means: 13 in means)
    answer(engine, _pixels(*range(10, 18)))
    kept = [means for means in engine.calls if 13 not in means]
    assert sorted(mean for means in kept for mean in means) == [10, 11, 12, 14, 15, 16, 17]


def test_all_cores_together_answer_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    engine = MeanEngine(fails=lambda means: 13 in means or 70 in means)
    answers, errors, costs = answer(engine, _pixels(*range(100)))
    assert answers.features is not None
    kept = [level for level in range(100) if level not in (13, 70)]
    assert answers.features[:, 0].tolist() == kept
    assert sorted(errors) == [13, 70]
    # Each core's part, before what fails is halved.
    assert [*range(33, 66)] in engine.calls
    assert set(costs) == {"infer"}


@pytest.mark.parametrize(("cores", "parts"), [(None, 4), (1, 1), (2, 2)])
def test_a_worker_that_has_some_of_the_cores_uses_no_more(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, parts: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    engine = MeanEngine()
    answer(engine, _pixels(*range(100)), cores)
    assert len(engine.calls) == parts


@pytest.mark.parametrize(
    ("wished", "cores", "threads"),
    [(None, 2, "1"), (None, 15, "1"), (None, 16, "2"), (None, 64, "8"), ("3", 64, "3")],
)
def test_tensorflow_shares_out_a_batch_only_where_a_shard_cannot_serve_all_cores(
    monkeypatch: pytest.MonkeyPatch, wished: str | None, cores: int, threads: str
) -> None:
    variable = "TF_NUM_INTRAOP_THREADS"
    # What is set first is what monkeypatch takes back.
    monkeypatch.setenv(variable, wished or "")
    if wished is None:
        monkeypatch.delenv(variable)
    ShardModelHandler(open_module(str(MODULE)), cores=cores).load_model()
    assert os.environ[variable] == threads


def test_a_module_that_always_fails_leaves_only_failures() -> None:
    scored = score_shard(_shard(1, 2, 3), MeanEngine(fails=lambda means: True))
    assert scored.uris == []
    assert [failure.uri for failure in scored.failures] == ["gone", "grey-1", "grey-2", "grey-3"]
    assert (scored.answers.logits, scored.answers.scores) == (None, None)


class _NanEngine(MeanEngine):
    def run(self, pixels: npt.NDArray[np.uint8]) -> ModelOutputs:
        answers = super().run(pixels)
        assert answers.features is not None
        answers.features[pixels[:, 0, 0, 0] == 7] = np.nan
        return answers


def test_an_answer_that_is_not_finite_is_a_failure() -> None:
    answers, errors, _ = answer(_NanEngine(), _pixels(6, 7, 8))
    assert answers.features is not None
    assert answers.features.tolist() == [[6], [8]]
    assert {row: error.code for row, error in errors.items()} == {1: "not_finite"}


def test_no_pictures_need_no_module() -> None:
    engine = MeanEngine()
    answers, errors, _ = answer(engine, _pixels())
    assert (answers.logits, answers.scores, answers.features) == (None, None, None)
    assert errors == {}
    assert engine.calls == []
