"""Test ONNX files against ONNX's own reference implementation."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from imagebeam.modules.engines import Engine, load_engine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.open_module import open_module
from tests.beam_pipeline.colours import draw
from tests.beam_pipeline.jobs import imagebeam, predictions

_MIXING = np.random.default_rng(0).normal(0, 2, (3, 4)).astype(np.float32)


def write_classifier(
    path: Path,
    shape: tuple[int | str, ...] = ("N", 3, 6, 6),
    end: str | None = None,
    kind: int = TensorProto.FLOAT,
    output: str = "out",
) -> Path:
    """Write a network that mixes the mean colours of a picture into four values.

    Args:
        path: of the file.
        shape: of its input, planes or pixels; a name is a free length.
        end: an operation at the end, such as Softmax.
        kind: of the input.
        output: its name.
    """
    axes = [2, 3] if shape[1] == 3 else [1, 2]
    nodes = [
        helper.make_node("Cast", ["images"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values", "axes"], ["colours"], keepdims=0),
        helper.make_node("MatMul", ["colours", "mixing"], [output if end is None else "mixed"]),
    ]
    if end is not None:
        nodes.append(helper.make_node(end, ["mixed"], [output]))
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, (shape[0], 4))],
        [
            numpy_helper.from_array(np.array(axes, np.int64), "axes"),
            numpy_helper.from_array(_MIXING, "mixing"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def _engine(path: Path, options: ModuleOptions) -> Engine:
    module = open_module(str(path), options=options)
    assert module.engine == "onnx"
    return load_engine(module.engine, module.path, module.info)


def _pixels(count: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)


def _found(outputs: ModelOutputs) -> dict[str, npt.NDArray[np.float32]]:
    heads = {"logits": outputs.logits, "scores": outputs.scores, "features": outputs.features}
    return {head: values for head, values in heads.items() if values is not None}


@pytest.mark.parametrize("count", [0, 1, 19])
@pytest.mark.parametrize("shape", [("N", 3, 6, 6), (1, 3, 6, 6), (4, 6, 6, 3), ("N", "H", "W", 3)])
def test_planes_and_pixels_in_batches_of_any_length(
    tmp_path: Path, shape: tuple[int | str, ...], count: int
) -> None:
    path = write_classifier(tmp_path / "module.onnx", shape)
    size = (6, 6) if "H" in shape else None
    engine = _engine(path, ModuleOptions(value_range=(-1.0, 1.0), image_size=size))
    pixels = _pixels(count)
    found = engine.run(pixels).logits
    assert found is not None
    expected = (pixels / np.float32(127.5) - 1).mean(axis=(1, 2)) @ _MIXING
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_mean_and_deviation_and_the_order_of_colours(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "module.onnx")
    mean, deviation = (120.0, 110.0, 100.0), (60.0, 50.0, 40.0)
    options = ModuleOptions(mean=mean, std=deviation, channels="bgr")
    pixels = _pixels(5)
    inputs = ((pixels[..., ::-1] - np.array(mean)) / np.array(deviation)).astype(np.float32)
    expected: Any
    [expected] = ReferenceEvaluator(str(path)).run(None, {"images": inputs.transpose(0, 3, 1, 2)})
    found = _engine(path, options).run(pixels).logits
    assert found is not None
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("end", "output", "heads"),
    [
        (None, "out", {"logits", "scores"}),
        ("Softmax", "out", {"scores"}),
        ("Sigmoid", "out", {"scores"}),
        (None, "embedding", {"features"}),
    ],
)
def test_the_kind_of_the_output_is_found_out(
    tmp_path: Path, end: str | None, output: str, heads: set[str]
) -> None:
    path = write_classifier(tmp_path / "module.onnx", end=end, output=output)
    module = open_module(str(path), options=ModuleOptions(value_range=(0.0, 1.0)))
    assert module.info.heads == heads
    assert module.info.independent == (end == "Sigmoid")
    outputs = load_engine(module.engine, module.path, module.info).run(_pixels(3))
    assert {*_found(outputs)} == heads


def test_an_input_of_bytes_takes_pixels_as_they_are(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "module.onnx", kind=TensorProto.UINT8)
    module = open_module(str(path))
    assert (module.info.value_range, module.info.range_origin) == ((0.0, 255.0), "stated")
    pixels = _pixels(2)
    found = load_engine(module.engine, module.path, module.info).run(pixels).logits
    assert found is not None
    np.testing.assert_allclose(
        found, pixels.mean(axis=(1, 2), dtype=np.float64) @ _MIXING, rtol=1e-4, atol=1e-3
    )


def test_a_range_that_nothing_states_is_said_to_be_assumed(tmp_path: Path) -> None:
    module = open_module(str(write_classifier(tmp_path / "module.onnx")))
    assert module.info.range_origin == "assumed"
    assert any("nothing states the input range" in note for note in module.notes)


def test_a_job_labels_with_an_onnx_file(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "module.onnx")
    draw(tmp_path / "images" / "red.png", 255, 0, 0)
    draw(tmp_path / "images" / "green.png", 0, 255, 0)
    output = tmp_path / "labels"
    command = ("label", tmp_path / "images", "--output", output, "--module", path)
    assert imagebeam(*command, "--input-range", 0, 1) == 0
    labels = {Path(row["uri"]).stem: row["label"] for row in predictions(output)}
    assert labels == {"red": str(_MIXING[0].argmax()), "green": str(_MIXING[1].argmax())}
    assert imagebeam(*command, "--input-range", -1, 1, "--overwrite") == 0


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (("N", "A", "B", "C"), r"not one batch of RGB pictures \(float or uint8"),
        (("N", 3, "H", "W"), "Give the size that it was trained with"),
    ],
)
def test_files_that_need_something_else_are_refused(
    tmp_path: Path, shape: tuple[int | str, ...], message: str
) -> None:
    with pytest.raises(ModuleError, match=message):
        open_module(str(write_classifier(tmp_path / "module.onnx", shape)))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "module.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(ModuleError, match=r"ONNX Runtime cannot load it \("):
        open_module(str(path))


@pytest.mark.parametrize("engine", ["litert", "tensorflow"])
def test_another_engine_is_refused(tmp_path: Path, engine: str) -> None:
    path = write_classifier(tmp_path / "module.onnx")
    with pytest.raises(ModuleError, match=f"the engine '{engine}' cannot run"):
        open_module(str(path), engine)
