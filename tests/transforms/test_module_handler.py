"""Test a module with Beam's own RunInference."""

import re
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.testing.util import assert_that, equal_to

from imagebeam.modules.errors import ModuleError
from imagebeam.outputs.ranking import RankedClass
from imagebeam.transforms import ModuleHandler
from tests.beam_pipeline.colours import CLASSES, draw, write_module
from tests.modules.flatbuffers import echo
from tests.transforms.module_updates import changing_module

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
        heads = ["label", "logits", "score", "scores", "top_k"]
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
        ValueError, match=rf"a picture of {shape}: the module '.*' takes uint8 \(1, 1, 3"
    ):
        handler.run_inference([_RED, picture], handler.load_model())


def test_results_name_the_best_classes(handler: ModuleHandler) -> None:
    inferred = handler.run_inference([_BLUE], handler.load_model(), {"top_k": 2})
    [(_, inference, _)] = inferred
    high, low = (float(score) for score in sorted(inference["scores"])[-1:0:-1])
    assert inference["top_k"] == [
        RankedClass(2, "blue", high),
        RankedClass(0, "red", low),
    ]
    assert (inference["label"], inference["score"]) == ("blue", high)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "gpu", "top_k": 1}, "'device' unknown. The only argument is 'top_k'"),
        ({"top_k": 0}, "top_k=0 must be a whole number from 1"),
        ({"top_k": "5"}, "top_k='5' must be a whole number from 1"),
        ({"top_k": True}, "top_k=True must be a whole number from 1"),
    ],
)
def test_meaningless_arguments_are_refused_while_the_pipeline_is_built(
    handler: ModuleHandler, arguments: dict[str, Any], message: str
) -> None:
    pictures = beam.Pipeline("FnApiRunner") | beam.Create([_RED])
    with pytest.raises(ValueError, match=re.escape(message)):
        pictures | RunInference(handler, inference_args=arguments)


def test_a_handler_describes_its_module(handler: ModuleHandler) -> None:
    assert handler.info.image_size == (1, 1)
    assert handler.info.class_names == CLASSES
    assert handler.info.value_range == (0, 1)


def test_a_side_input_changes_the_module(handler: ModuleHandler, tmp_path: Path) -> None:
    second = str(write_module(tmp_path / "second.tflite", ("rot", "grün", "blau")))
    first = str(write_module(tmp_path / "first.tflite"))
    with changing_module(_RED, first, second, first) as (pictures, modules):
        results = pictures | RunInference(handler, model_metadata_pcoll=modules)
        named = results | beam.Map(lambda result: (result.model_id, result.inference["label"]))
        assert_that(named, equal_to([(first, "red"), (second, "rot"), (first, "red")]))


def test_an_empty_path_is_the_first_module(handler: ModuleHandler, tmp_path: Path) -> None:
    """Update as Beam's WatchFilePattern does, which starts with an empty path."""
    handler.update_model_path(str(write_module(tmp_path / "new.tflite", ("a", "b", "c"))))
    [(_, updated, _)] = handler.run_inference([_RED], handler.load_model())
    handler.update_model_path("")
    [(_, first, _)] = handler.run_inference([_RED], handler.load_model())
    assert (updated["label"], first["label"]) == ("a", "red")


def test_an_update_to_a_missing_module_is_an_error(handler: ModuleHandler) -> None:
    handler.update_model_path("/nowhere")
    with pytest.raises(ModuleError, match="/nowhere"):
        handler.load_model()


def test_one_model_can_serve_several_processes(tmp_path: Path) -> None:
    handler = ModuleHandler(str(write_module(tmp_path / "module.tflite")), large_model=True)
    with beam.Pipeline("FnApiRunner") as pipeline:
        results = pipeline | beam.Create([_BLUE]) | RunInference(handler)
        assert_that(
            results | beam.Map(lambda result: result.inference["label"]), equal_to(["blue"])
        )


def test_pictures_are_decoded_by_their_names(handler: ModuleHandler, tmp_path: Path) -> None:
    red = draw(tmp_path / "red.png", 255, 0, 0)
    examples = [str(red), beam.Row(uri=str(red)), red.read_bytes()]
    with beam.Pipeline("FnApiRunner") as pipeline:
        results = (
            pipeline
            | beam.Create(examples)
            | RunInference(handler.with_preprocess_fn(handler.decode))
        )
        named = results | beam.Map(lambda result: (result.example.uri, result.inference["label"]))
        assert_that(named, equal_to([(str(red), "red"), (str(red), "red"), ("", "red")]))


def test_pictures_that_cannot_be_decoded_go_where_beam_puts_failures(
    handler: ModuleHandler, tmp_path: Path
) -> None:
    gone = str(tmp_path / "gone.jpg")
    decoding = handler.with_preprocess_fn(handler.decode)
    with beam.Pipeline("FnApiRunner") as pipeline:
        _, failed = (
            pipeline
            | beam.Create([gone, str(draw(tmp_path / "red.png", 255, 0, 0))])
            | RunInference(decoding).with_exception_handling()
        )
        kinds = failed.failed_preprocessing[0] | beam.MapTuple(
            lambda element, error: (element, error[0].__name__)
        )
        assert_that(kinds, equal_to([(gone, "NotFound")]))


def test_the_size_of_a_batch_is_that_of_its_pixels(handler: ModuleHandler) -> None:
    assert handler.get_num_bytes([_RED, _BLUE]) == 6


def test_a_missing_module_is_an_error() -> None:
    with pytest.raises(ModuleError, match="/nowhere"):
        ModuleHandler("/nowhere")


def test_what_is_assumed_of_the_module_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "module.tflite").write_bytes(echo((1, 1, 1, 3), ((1, 3),)))
    with pytest.warns(UserWarning, match="nothing states the input range of the module"):
        ModuleHandler(str(tmp_path / "module.tflite"))
