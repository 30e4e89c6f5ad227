"""Test labelling the images that rows name; tests/docs runs the same from YAML."""

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from imagebeam.modules.errors import ModuleError
from imagebeam.transforms import LabelRows
from tests.beam_pipeline.colours import draw, write_module


def test_a_row_becomes_a_row_of_one_of_two_named_outputs(tmp_path: Path) -> None:
    module = str(write_module(tmp_path / "module.tflite"))
    red, gone = str(draw(tmp_path / "red.png", 255, 0, 0)), str(tmp_path / "gone.jpg")
    rows = [beam.Row(uri=uri, other=1) for uri in (red, gone)]
    with beam.Pipeline("FnApiRunner") as pipeline:
        found = pipeline | beam.Create(rows) | LabelRows(module, emit=["labels", "logits"], top_k=2)
        assert set(found) == {"predictions", "errors"}
        labelled = found["predictions"] | beam.Map(
            lambda row: (row.uri, row.label, list(row.logits), len(row.top_k))
        )
        failed = found["errors"] | "Codes" >> beam.Map(lambda row: (row.uri, row.code))
        assert_that(labelled, equal_to([(red, "red", [1, 0, 0], 2)]), "labelled")
        assert_that(failed, equal_to([(gone, "not_found")]), "failed")


def test_an_output_that_the_module_lacks_is_refused(tmp_path: Path) -> None:
    module = str(write_module(tmp_path / "module.tflite"))
    with beam.Pipeline("FnApiRunner") as pipeline:
        rows = pipeline | beam.Create([beam.Row(uri="a.jpg")])
        with pytest.raises(ValueError, match=r"emit='features': .* has no features"):
            rows | LabelRows(module, emit=["features"])


def test_facts_about_the_module_are_values_that_yaml_has(tmp_path: Path) -> None:
    module = str(write_module(tmp_path / "module.tflite"))
    red = str(draw(tmp_path / "red.png", 255, 0, 0))
    options = {"value_range": [0, 1], "channels": "bgr"}
    with beam.Pipeline("FnApiRunner") as pipeline:
        found = pipeline | beam.Create([beam.Row(uri=red)]) | LabelRows(module, options=options)
        labels = found["predictions"] | beam.Map(lambda row: row.label)
        assert_that(labels, equal_to(["blue"]))
    with pytest.raises(
        ModuleError, match=r"options: .input_range. is unknown\. Give one of value_range,"
    ):
        LabelRows(module, options={"input_range": [-1, 1]})
