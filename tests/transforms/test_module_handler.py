"""Test a module with Beam's own RunInference."""

from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.testing.util import assert_that, equal_to

from imagebeam.modules import ModuleError
from imagebeam.transforms import ModuleHandler
from tests.beam_pipeline.colours import write_module

_RED = np.array([[[255, 0, 0]]], np.uint8)
_BLUE = np.array([[[0, 0, 255]]], np.uint8)


@pytest.fixture
def handler(tmp_path: Path) -> ModuleHandler:
    path = write_module(tmp_path / "module.tflite")
    handler = ModuleHandler(str(path), max_batch_size=2)
    # The flatbuffer is in the handler, because remote workers cannot read local files.
    path.unlink()
    return handler


def test_arrays_become_results(handler: ModuleHandler) -> None:
    pictures = [_RED, _BLUE, _RED]
    with beam.Pipeline("FnApiRunner") as pipeline:
        results = pipeline | beam.Create(pictures) | RunInference(handler)
        described = results | beam.Map(
            lambda result: (
                result.example.tolist(),
                result.inference["logits"].tolist(),
                sorted(result.inference),
            )
        )
        heads = ["logits", "scores"]
        red, blue = ([[[255, 0, 0]]], [1, 0, 0], heads), ([[[0, 0, 255]]], [0, 0, 1], heads)
        assert_that(described, equal_to([red, blue, red]))


def test_keys_stay_with_their_pictures(handler: ModuleHandler) -> None:
    with beam.Pipeline("FnApiRunner") as pipeline:
        results = (
            pipeline
            | beam.Create([("a", _RED), ("b", _BLUE)])
            | RunInference(KeyedModelHandler(handler))
        )
        best = results | beam.MapTuple(
            lambda key, result: (key, int(result.inference["scores"].argmax()))
        )
        assert_that(best, equal_to([("a", 0), ("b", 2)]))


@pytest.mark.parametrize(
    ("picture", "shape"),
    [
        (np.zeros((1, 1, 3), np.float32), r"float32 \(1, 1, 3\)"),
        (np.zeros((2, 1, 3), np.uint8), r"uint8 \(2, 1, 3\)"),
    ],
)
def test_other_arrays_are_refused(
    handler: ModuleHandler, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], shape: str
) -> None:
    with pytest.raises(
        ValueError, match=rf"a picture of {shape}: the module takes uint8 \(1, 1, 3"
    ):
        handler.run_inference([_RED, picture], handler.load_model())


def test_the_size_of_a_batch_is_that_of_its_pixels(handler: ModuleHandler) -> None:
    assert handler.get_num_bytes([_RED, _BLUE]) == 6


def test_a_missing_module_is_an_error() -> None:
    with pytest.raises(ModuleError, match="/nowhere"):
        ModuleHandler("/nowhere")
