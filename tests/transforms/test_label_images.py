"""Test the steps of the job inside another pipeline."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.typehints.row_type import RowTypeConstraint

from imagebeam.images.settings import Access
from imagebeam.modules import ModuleError
from imagebeam.outputs.schema import RankedClass
from imagebeam.storage import Settings
from imagebeam.transforms import LabelImages
from tests.beam_pipeline.colours import draw, write_module
from tests.storage.web import Site, stored


@pytest.fixture
def module(tmp_path: Path) -> str:
    return str(write_module(tmp_path / "module.tflite"))


def _archive(folder: Path) -> list[str]:
    names = [str(draw(folder / "red.png", 255, 0, 0)), str(draw(folder / "blue.png", 0, 0, 255))]
    (folder / "empty.jpg").touch()
    return [*names, str(folder / "empty.jpg"), str(folder / "gone.jpg"), names[0]]


def test_urls_are_read_like_in_the_job(tmp_path: Path, module: str) -> None:
    data = draw(tmp_path / "red.png", 255, 0, 0).read_bytes()
    with Site().running() as site:
        url = site.add("/red.png?sig=secret", stored(data))
        access = Access(Settings(allow_private_hosts=True))
        with beam.Pipeline("FnApiRunner") as pipeline:
            found = pipeline | beam.Create([url]) | LabelImages(module, access=access)
            rows = found.predictions | beam.Map(lambda row: (row.uri, row.label))
            assert_that(rows, equal_to([(site.url("/red.png"), "red")]))


def test_every_uri_has_one_row_in_one_of_the_two(tmp_path: Path, module: str) -> None:
    red, blue, empty, gone, _ = uris = _archive(tmp_path)
    with beam.Pipeline("FnApiRunner") as pipeline:
        found = pipeline | beam.Create(uris) | LabelImages(module, emit=("labels", "logits"))
        labelled = found.predictions | beam.Map(
            lambda row: (row.uri, row.width, row.height, row.label, list(row.logits))
        )
        failed = found.errors | "Fields" >> beam.Map(
            lambda row: (row.uri, row.stage, row.code, row.retryable)
        )
        first = (red, 8, 8, "red", [1, 0, 0])
        assert_that(labelled, equal_to([first, first, (blue, 8, 8, "blue", [0, 0, 1])]), "labelled")
        errors = [
            (empty, "decode", "empty_file", False),
            (gone, "fetch", "not_found", True),
        ]
        assert_that(failed, equal_to(errors), "failed")


_FIELDS: dict[str, list[Any]] = {
    "labels": [("label", str), ("score", np.float32), ("top_k", Sequence[RankedClass])],
    "logits": [("logits", Sequence[np.float32])],
}


@pytest.mark.parametrize("emit", _FIELDS)
def test_rows_have_a_schema(module: str, emit: str) -> None:
    pipeline = beam.Pipeline("FnApiRunner")
    found = pipeline | beam.Create(["a.jpg"]) | LabelImages(module, emit=(emit,))
    base = [("uri", str), ("width", np.int32), ("height", np.int32)]
    row = RowTypeConstraint.from_fields([*base, *_FIELDS[emit]])
    assert found.predictions.element_type == row
    assert [name for name, _ in found.errors.element_type._fields] == [
        *("uri", "stage", "code", "message", "retryable"),
    ]


def test_rows_can_be_written_as_beam_writes_rows(tmp_path: Path, module: str) -> None:
    uris = _archive(tmp_path)
    with beam.Pipeline("FnApiRunner") as pipeline:
        found = pipeline | beam.Create(uris) | LabelImages(module, top_k=1)
        rows = found.predictions | beam.Select("uri", "label", "score")
        _ = (
            rows
            | beam.Map(lambda row: row._asdict())
            | beam.io.WriteToParquet(
                str(tmp_path / "rows"),
                pa.schema([("uri", pa.string()), ("label", pa.string()), ("score", pa.float32())]),
            )
        )
    table = pq.read_table(next(tmp_path.glob("rows*")))
    assert sorted(table["label"].to_pylist()) == ["blue", "red", "red"]


def test_missing_model_outputs_are_refused_while_the_pipeline_is_built(module: str) -> None:
    uris = beam.Pipeline("FnApiRunner") | beam.Create(["a.jpg"])
    with pytest.raises(ValueError, match=r"emit='features': .* has no features\. Leave it out\."):
        uris | LabelImages(module, emit=("features",))
    with pytest.raises(ModuleError, match="/nowhere"):
        uris | "No module" >> LabelImages("/nowhere")
