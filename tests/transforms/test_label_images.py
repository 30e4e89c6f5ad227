"""Test the steps of the job inside another pipeline."""

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow.parquet as pq
import pytest
from apache_beam.ml.inference.base import ModelMetadata
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.typehints.row_type import RowTypeConstraint
from packaging import version

from imagebeam.images.settings import Access
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.open_module import open_module
from imagebeam.outputs.ranking import RankedClass, row_as_dict
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.storage import Settings
from imagebeam.transforms import LabelImages
from imagebeam.transforms.elements import DecodedShard
from imagebeam.transforms.run_updated_module import RunUpdatedFn
from tests.beam_pipeline.colours import CLASSES, draw, write_module
from tests.modules.flatbuffers import echo
from tests.storage.web import Site, stored
from tests.transforms.module_updates import changing_module

_COLLECT = """
import json, sys
import apache_beam as beam
from apache_beam.runners.interactive import interactive_beam as ib
from apache_beam.runners.interactive.interactive_runner import InteractiveRunner
from imagebeam import LabelImages

module, *uris = sys.argv[1:]
pipeline = beam.Pipeline(InteractiveRunner())
predictions, errors = pipeline | beam.Create(uris) | LabelImages(module)
ib.watch(locals())
rows = [ib.collect(rows)[["uri", column]].to_dict("records")
        for rows, column in [(predictions, "label"), (errors, "code")]]
print(json.dumps(rows))
"""


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


def test_rows_can_be_written_with_the_names_of_the_files(tmp_path: Path, module: str) -> None:
    uris = _archive(tmp_path)
    with beam.Pipeline("FnApiRunner") as pipeline:
        found = pipeline | beam.Create(uris) | LabelImages(module, top_k=1)
        _ = (
            found.predictions
            | beam.Map(row_as_dict)
            | beam.io.WriteToParquet(
                str(tmp_path / "rows"), PredictionSchema(("labels",), 1, CLASSES, {}).arrow()
            )
        )
    table = pq.read_table(next(tmp_path.glob("rows*")))
    found = sorted((row["label"], row["top_k"][0]["class"]) for row in table.to_pylist())
    assert found == [("blue", 2), ("red", 0), ("red", 0)]


def test_a_side_input_changes_the_module(tmp_path: Path, module: str) -> None:
    red = str(draw(tmp_path / "red.png", 255, 0, 0))
    second = str(write_module(tmp_path / "second.tflite", ("rot", "grün", "blau")))
    with changing_module(beam.Row(uri=red), module, second, module) as (images, modules):
        found = images | LabelImages(module, model_metadata_pcoll=modules)
        rows = found.predictions | beam.Map(lambda row: (row.uri, row.module, row.label))
        first = (red, module, "red")
        assert_that(rows, equal_to([first, (red, second, "rot"), first]))


def test_before_an_update_the_first_module_runs(tmp_path: Path, module: str) -> None:
    red = str(draw(tmp_path / "red.png", 255, 0, 0))
    with beam.Pipeline("FnApiRunner") as pipeline:
        none = pipeline | "No updates" >> beam.Create([])
        found = pipeline | beam.Create([red]) | LabelImages(module, model_metadata_pcoll=none)
        rows = found.predictions | beam.Map(lambda row: (row.module, row.label))
        assert_that(rows, equal_to([(module, "red")]))


def test_an_update_to_another_image_size_is_refused(tmp_path: Path, module: str) -> None:
    other = str(write_module(tmp_path / "other.tflite", None, side=2))
    fn = RunUpdatedFn(open_module(module), 1)
    none, no_pixels = np.empty(0, np.int32), np.empty((0, 1, 1, 3), np.uint8)
    shard = DecodedShard("id", [], [], none, none, (), {}, no_pixels)
    with pytest.raises(ModuleError, match=r"takes pictures of \(2, 2\), .* built for \(1, 1\)"):
        list(fn.process(shard, ModelMetadata(other, "other")))


def test_an_update_without_the_emitted_outputs_is_refused(tmp_path: Path, module: str) -> None:
    red = str(draw(tmp_path / "red.png", 255, 0, 0))
    other = str(write_module(tmp_path / "features.tflite", None))
    pipeline = beam.Pipeline("FnApiRunner")
    update = pipeline | "Update" >> beam.Create([ModelMetadata(other, "other")])
    _ = pipeline | beam.Create([red]) | LabelImages(module, model_metadata_pcoll=update)
    with pytest.raises(ValueError, match=r"emit='labels': .*features\.tflite has no scores"):
        pipeline.run()


def test_the_pipeline_can_be_rebuilt_from_its_definition(module: str) -> None:
    pipeline = beam.Pipeline("FnApiRunner")
    _ = pipeline | beam.Create(["a.jpg"]) | LabelImages(module)
    rebuilt = beam.Pipeline.from_runner_api(
        pipeline.to_runner_api(), pipeline.runner, pipeline.options
    )
    assert rebuilt.to_runner_api() is not None


@pytest.mark.slow
@pytest.mark.skipif(
    version.parse(metadata.version("pandas")).release >= (2, 4),
    reason="Interactive Beam needs pandas below 2.4: pip install 'pandas<2.4'",
)
def test_interactive_beam_collects_the_rows(tmp_path: Path, module: str) -> None:
    red, _, empty, *_ = _archive(tmp_path)
    command = [sys.executable, "-c", _COLLECT, module, red, empty]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(process.stdout.splitlines()[-1]) == [
        [{"uri": red, "label": "red"}],
        [{"uri": empty, "code": "empty_file"}],
    ]


def test_missing_model_outputs_are_refused_while_the_pipeline_is_built(module: str) -> None:
    uris = beam.Pipeline("FnApiRunner") | beam.Create(["a.jpg"])
    with pytest.raises(ValueError, match=r"emit='features': .* has no features\. Leave it out\."):
        uris | LabelImages(module, emit=("features",))
    with pytest.raises(ModuleError, match="/nowhere"):
        uris | "No module" >> LabelImages("/nowhere")


def test_facts_of_the_module_can_be_stated_and_assumptions_are_warnings(tmp_path: Path) -> None:
    (tmp_path / "module.tflite").write_bytes(echo((1, 1, 1, 3), ((1, 3),)))
    uri = str(draw(tmp_path / "red.png", 255, 0, 0))
    stated = ModuleOptions(outputs={"output": "scores"})
    labels = LabelImages(str(tmp_path / "module.tflite"), options=stated, min_score=0.5)
    with beam.Pipeline("FnApiRunner") as pipeline:
        uris = pipeline | beam.Create([uri])
        with pytest.warns(UserWarning, match="nothing states the input range of the module"):
            found = uris | labels
        best = found.predictions | beam.Map(lambda row: [tuple(each) for each in row.top_k])
        assert_that(best, equal_to([[(0, "0", 1.0)]]))
