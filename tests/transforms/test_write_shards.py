from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from imagebeam.images.stage_times import StageTime
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.transforms.elements import DecodedShard, Failure, ScoredShard
from imagebeam.transforms.parallel_engine import ParallelEngine
from imagebeam.transforms.write_shards import write_shard
from tests.transforms.pictures import MeanEngine, score_shard

_SCHEMA = PredictionSchema(("labels",), 2, ("light", "dark", "none"), {})
_GONE = Failure("gone", "fetch", "not_found", "no such file", True)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    for folder in ("predictions", "errors"):
        (tmp_path / folder).mkdir()
    return Layout(tmp_path)


def _scored(uris: list[str], failures: tuple[Failure, ...]) -> ScoredShard:
    count = len(uris)
    decoded = DecodedShard(
        id="id",
        uris=uris,
        extra_columns=[()] * count,
        widths=np.full(count, 4, np.int32),
        heights=np.full(count, 3, np.int32),
        pixels=np.full((count, 2, 2, 3), 9, np.uint8),
        failures=failures,
        costs={"decode": StageTime(0.5, 0.5)},
    )
    return score_shard(decoded, ParallelEngine(MeanEngine(), 1))


def test_a_shard_becomes_rows_and_a_report(layout: Layout) -> None:
    report = write_shard(_scored(["a", "b"], (_GONE,)), layout, _SCHEMA)
    rows = pq.read_table(layout.prediction_part("id")).to_pylist()
    assert [(row["uri"], row["width"], row["height"], row["label"]) for row in rows] == [
        ("a", 4, 3, "light"),
        ("b", 4, 3, "light"),
    ]
    assert [entry["label"] for entry in rows[0]["top_k"]] == ["light", "none"]
    assert pq.read_table(layout.error_part("id")).to_pylist() == [
        {name: value for name, value in _GONE._asdict().items() if name != "extra_columns"}
    ]
    assert (report.id, report.tally.shards, report.tally.labelled) == ("id", 1, 2)
    assert report.tally.failed == {"not_found": 1}
    assert list(report.tally.costs) == ["decode", "infer", "write"]


def test_a_repeated_shard_replaces_its_first_attempt(layout: Layout) -> None:
    write_shard(_scored(["a"], (_GONE,)), layout, _SCHEMA)
    write_shard(_scored(["a", "gone"], ()), layout, _SCHEMA)
    assert pq.read_table(layout.prediction_part("id"))["uri"].to_pylist() == ["a", "gone"]
    assert not layout.error_part("id").exists()


def test_a_shard_of_failures_has_no_predictions(layout: Layout) -> None:
    report = write_shard(_scored([], (_GONE,)), layout, _SCHEMA)
    assert list(layout.prediction_parts()) == []
    assert report.tally.labelled == 0
