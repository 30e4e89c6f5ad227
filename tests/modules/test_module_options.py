"""Test the facts that users state, with flatbuffers that LiteRT's schema makes in milliseconds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagebeam.modules.annotate import annotated
from imagebeam.modules.engines import load_engine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.open_module import open_module
from tests.modules.flatbuffers import echo


def _write(path: Path, **options: Any) -> str:
    path.write_bytes(echo(**options))
    return str(path)


_TWO: dict[str, Any] = {"output_shapes": ((1, 12), (1, 12)), "names": ("age", "mood")}


def test_options_survive_json() -> None:
    options = ModuleOptions(
        mean=(1.0, 2.0, 3.0),
        std=(4.0,),
        channels="bgr",
        image_size=(3, 4),
        signature="predict",
        outputs={"a": "logits", "b": "features"},
    )
    assert ModuleOptions.from_json(options.to_json()) == options
    assert options.of_input == ModuleOptions(mean=(1.0, 2.0, 3.0), std=(4.0,), channels="bgr")
    assert options.of_graph == ModuleOptions(
        image_size=(3, 4), signature="predict", outputs=(("a", "logits"), ("b", "features"))
    )
    assert NO_OPTIONS.to_json() == {}
    hash(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"outputs": {"a": "classes"}},
            "output a=classes: 'classes' must be one of logits, scores",
        ),
        ({"outputs": {"a": "logits", "b": "logits"}}, "two are called logits"),
        ({"image_size": (0, 4)}, "image size 0x4: must be at least 1x1"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModuleError, match=message):
        ModuleOptions(**options)


def test_the_kind_of_an_output_can_be_stated(tmp_path: Path) -> None:
    handle = _write(tmp_path / "module.tflite", **_TWO)
    with pytest.raises(ModuleError, match=r"'age' .*; 'mood' \[\?, 12\], and it is unclear"):
        open_module(handle)
    stated = ModuleOptions(value_range=(0.0, 1.0), outputs={"mood": "scores", "age": "features"})
    module = open_module(handle, options=stated)
    assert module.info.heads == {"scores", "features"}
    assert module.info.independent
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    outputs = load_engine(module.engine, module.path, module.info).run(pixels)
    assert outputs.scores is not None
    assert outputs.features is not None
    np.testing.assert_allclose(outputs.scores, pixels.reshape(1, 12) / 255, rtol=1e-6)
    np.testing.assert_array_equal(outputs.scores, outputs.features)
    assert outputs.logits is None


def test_a_stated_output_that_is_missing_is_refused_with_the_names(tmp_path: Path) -> None:
    handle = _write(tmp_path / "module.tflite", **_TWO)
    with pytest.raises(ModuleError, match=r"has no output 'sex'. Its outputs are 'age' .*'mood'"):
        open_module(handle, options=ModuleOptions(outputs={"sex": "scores"}))


def test_scores_outside_of_their_range_are_refused(tmp_path: Path) -> None:
    handle = _write(tmp_path / "module.tflite")
    stated = ModuleOptions(value_range=(-1.0, 1.0), outputs={"output": "scores"})
    with pytest.raises(ModuleError, match=r"has values from -.*State it as logits"):
        open_module(handle, options=stated)


def test_a_signature_that_is_missing_is_refused(tmp_path: Path) -> None:
    handle = _write(tmp_path / "module.tflite")
    with pytest.raises(ModuleError, match=r"no signature 'predict'.* --signature: it has none"):
        open_module(handle, options=ModuleOptions(signature="predict"))


def test_the_size_of_a_network_for_any_size_can_be_stated(tmp_path: Path) -> None:
    handle = _write(tmp_path / "module.tflite", free_size=True, free_batch=True)
    with pytest.raises(ModuleError, match=r"Give the size that it was .* --image-size 224"):
        open_module(handle)
    # The output of this network is its input, twelve numbers.
    module = open_module(handle, options=ModuleOptions(image_size=(4, 1)))
    assert module.info.image_size == (4, 1)
    fixed = _write(tmp_path / "fixed.tflite")
    assert open_module(fixed, options=ModuleOptions(image_size=(2, 2))).info.image_size == (2, 2)
    with pytest.raises(ModuleError, match="takes pictures of 2x2 only"):
        open_module(fixed, options=ModuleOptions(image_size=(4, 1)))


def test_answers_that_never_change_are_reported(tmp_path: Path) -> None:
    handle = _write(tmp_path / "module.tflite")
    module = open_module(handle, options=ModuleOptions(value_range=(0.0, 1e-6)))
    assert module.info.constant_answers
    assert module.notes == (
        "the module gives the same answer to very different pictures with the input range 0 to "
        "1e-06, so its answers mean nothing. Check --input-range, or get it again.",
    )
    assert not open_module(handle).info.constant_answers


def test_the_metadata_states_channels_kinds_and_ranges_of_channels(tmp_path: Path) -> None:
    stated = ModuleOptions(
        mean=(0.0, 51.0, 102.0), std=(255.0,), channels="bgr", outputs={"mood": "logits"}
    )
    content = annotated(echo(**_TWO), None, stated, "it")
    (tmp_path / "module.tflite").write_bytes(content)
    module = open_module(str(tmp_path / "module.tflite"))
    assert module.info.channels == "bgr"
    assert module.info.heads == {"logits", "scores"}
    assert (module.info.channel_ranges, module.info.range_origin) == (stated.ranges, "stated")
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    outputs = load_engine(module.engine, module.path, module.info).run(pixels)
    assert outputs.logits is not None
    expected = (pixels[..., ::-1] - np.array([0, 51, 102])) / 255
    np.testing.assert_allclose(outputs.logits, expected.reshape(1, 12), rtol=0, atol=1e-6)
    again = open_module(str(tmp_path / "module.tflite"), options=ModuleOptions(channels="rgb"))
    assert again.notes == (
        "--channels rgb contradicts the module, whose channels are bgr (stated). rgb is used.",
    )
