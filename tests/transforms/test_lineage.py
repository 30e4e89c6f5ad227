"""Test what a job reports as its lineage, in the metrics of a run."""

from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.metrics.metric import Lineage
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagebeam.images.listing.sources import Source
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.outputs import identity
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.storage import location
from imagebeam.transforms import ListImages, WriteShards
from imagebeam.transforms.elements import Failure, ScoredShard
from imagebeam.transforms.lineage import report_output, report_source


def _queried(pipeline: beam.Pipeline, label: str) -> set[str]:
    result = pipeline.run()
    result.wait_until_finish()
    found: set[str] = Lineage.query(result.metrics(), label)
    return found


def test_every_source_that_is_listed_is_reported(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").touch()
    (tmp_path / "names.txt").write_text("gone.jpg\n")
    sources = [
        Source("folder", (str(tmp_path / "one"),)),
        Source("glob", (f"{tmp_path}/two/*.jpg",), base=f"{tmp_path}/two"),
        Source("manifest", (str(tmp_path / "names.txt"),), base=str(tmp_path)),
    ]
    pipeline = beam.Pipeline(FnApiRunner())
    pipeline | ListImages(sources)
    assert _queried(pipeline, Lineage.SOURCE) == {
        f"filesystem:localhost.{tmp_path}/{name}" for name in ("one", "two", "names.txt")
    }


def test_the_output_of_shards_is_reported(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "out")
    identity.claim(layout, {}, overwrite=False)
    run = RunToken(layout)
    run.claim()
    sides = np.empty(0, np.int32)
    failure = Failure("a.jpg", "fetch", "not_found", "gone", False)
    shard = ScoredShard("1", (), (), sides, sides, (failure,), {}, ModelOutputs())
    pipeline = beam.Pipeline(FnApiRunner())
    pipeline | beam.Create([shard]) | WriteShards(run, PredictionSchema((), 1, None, {}))
    assert _queried(pipeline, Lineage.SINK) == {f"filesystem:localhost.{tmp_path}/out"}


def _report(address: str, label: str) -> None:
    if label == Lineage.SINK:
        report_output(Layout(location(address)))
    else:
        report_source(Source("manifest", (address,)))


@pytest.mark.parametrize(
    ("label", "address", "name"),
    [
        (Lineage.SOURCE, "gs://bucket/photos/2026/", "gcs:bucket.photos/2026"),
        (Lineage.SOURCE, "gs://bucket", "gcs:bucket"),
        (Lineage.SOURCE, "s3://bucket/a.tar", "s3:bucket.a.tar"),
        (Lineage.SOURCE, "https://me:pw@host/a.csv?token=abc", "https:host.a.csv?token=~"),
        (Lineage.SOURCE, "file:///a%20b/c.txt", "filesystem:localhost./a b/c.txt"),
        (Lineage.SINK, "gs://bucket/labels", "gcs:bucket.labels"),
        (Lineage.SINK, "s3://bucket/labels", "s3:bucket.labels"),
    ],
)
def test_names_are_those_of_beams_own_sources_without_secrets(
    label: str, address: str, name: str
) -> None:
    pipeline = beam.Pipeline(FnApiRunner())
    pipeline | beam.Create([address]) | beam.Map(_report, label)
    [found] = _queried(pipeline, label)
    assert found.startswith(name)
    assert "pw" not in found
    assert "abc" not in found


def test_names_of_many_images_are_bounded() -> None:
    names = tuple(f"/photos/{number}.jpg" for number in range(1000))
    pipeline = beam.Pipeline(FnApiRunner())
    pipeline | beam.Create([Source("images", names)]) | beam.Map(report_source)
    assert len(_queried(pipeline, Lineage.SOURCE)) <= 101
