"""Test ONNX files against ONNX's own reference implementation."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from imagebeam.modules.annotate import annotate
from imagebeam.modules.engines.onnx import OnnxEngine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.notes import notes_of
from imagebeam.modules.open_module import open_module
from imagebeam.modules.staging import module_bytes
from tests.beam_pipeline.colours import draw
from tests.beam_pipeline.jobs import errors, imagebeam, predictions

_MIXING = np.random.default_rng(0).normal(0, 2, (3, 4)).astype(np.float32)


def write_classifier(
    path: Path,
    shape: tuple[int | str, ...] = ("N", 3, 6, 6),
    end: str | None = None,
    kind: int = TensorProto.FLOAT,
    output: str = "out",
    front: tuple[tuple[str, npt.ArrayLike], ...] = (),
    factor: float | None = None,
    properties: dict[str, str] | None = None,
) -> Path:
    """Write a network that mixes the mean colours of a picture into four values.

    Args:
        path: of the file.
        shape: of its input, planes or pixels; a name is a free length.
        end: an operation at the end, such as Softmax.
        kind: of the input.
        output: its name.
        front: arithmetic on pictures: operations, and their constants.
        factor: multiplies the output.
        properties: of the file.
    """
    axes = [2, 3] if shape[1] == 3 else [1, 2]
    constants = [
        numpy_helper.from_array(np.array(axes, np.int64), "axes"),
        numpy_helper.from_array(_MIXING, "mixing"),
    ]
    nodes = [helper.make_node("Cast", ["images"], ["step_0"], to=TensorProto.FLOAT)]
    for number, (operation, constant) in enumerate(front):
        values = np.asarray(constant, np.float32)
        if operation == "BatchNormalization":
            wanted: dict[str, npt.NDArray[Any]] = {"scale": np.ones(3), "shift": np.zeros(3)}
            wanted |= {"mean": values, "variance": np.full(3, 3600.0)}
            constants += [
                numpy_helper.from_array(each.astype(np.float32), name)
                for name, each in wanted.items()
            ]
            names = [f"step_{number}", *wanted]
            nodes.append(helper.make_node(operation, names, [f"step_{number + 1}"]))
            continue
        values = values.reshape(1, 3, 1, 1) if values.size == 3 else values
        constants.append(numpy_helper.from_array(values, f"constant_{number}"))
        names = [f"step_{number}", f"constant_{number}"]
        nodes.append(helper.make_node(operation, names, [f"step_{number + 1}"]))
    nodes += [
        helper.make_node("Identity", [f"step_{len(front)}"], ["values"]),
        helper.make_node("ReduceMean", ["values", "axes"], ["colours"], keepdims=0),
        helper.make_node("MatMul", ["colours", "mixing"], [output if end is None else "mixed"]),
    ]
    if end is not None:
        limits = [_limit(constants, 0), _limit(constants, 1)] if end == "Clip" else []
        result = output if factor is None else "ended"
        nodes.append(helper.make_node(end, ["mixed", *limits], [result]))
    if factor is not None:
        constants.append(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
        nodes.append(helper.make_node("Mul", ["ended", "factor"], [output]))
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, (shape[0], 4))],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, properties or {})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def _limit(constants: list[Any], value: float) -> str:
    constants.append(numpy_helper.from_array(np.array(value, np.float32), f"limit_{value}"))
    return f"limit_{value}"


def _engine(path: Path, options: ModuleOptions = NO_OPTIONS) -> OnnxEngine:
    return OnnxEngine(path.read_bytes(), repr(str(path)), options)


def _pixels(count: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)


def _found(outputs: ModelOutputs) -> dict[str, npt.NDArray[np.float32]]:
    heads = {"logits": outputs.logits, "scores": outputs.scores, "features": outputs.features}
    return {head: values for head, values in heads.items() if values is not None}


@pytest.mark.parametrize("count", [0, 1, 19])
@pytest.mark.parametrize("shape", [("N", 3, 6, 6), (1, 3, 6, 6), (4, 6, 6, 3), ("N", "H", "W", 3)])
def test_planes_and_pixels_are_taken_in_batches_of_any_length(
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


def test_mean_deviation_and_order_of_colours_are_applied(tmp_path: Path) -> None:
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
        ("HardSigmoid", "out", {"scores"}),
        ("Clip", "out", {"scores"}),
        (None, "embedding", {"features"}),
    ],
)
def test_the_kind_of_the_output_is_found_out(
    tmp_path: Path, end: str | None, output: str, heads: set[str]
) -> None:
    path = write_classifier(tmp_path / "module.onnx", end=end, output=output)
    engine = _engine(path, ModuleOptions(value_range=(0.0, 1.0)))
    assert engine.info.heads == heads
    assert engine.info.independent == (end in ("Sigmoid", "HardSigmoid", "Clip"))
    outputs = engine.run(_pixels(3))
    assert {*_found(outputs)} == heads


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64])
def test_an_input_of_bytes_takes_pixels_as_they_are(tmp_path: Path, kind: int) -> None:
    path = write_classifier(tmp_path / "module.onnx", kind=kind)
    engine = _engine(path)
    assert (engine.info.value_range, engine.info.range_origin) == ((0.0, 255.0), "stated")
    pixels = _pixels(2)
    found = engine.run(pixels).logits
    assert found is not None
    np.testing.assert_allclose(
        found, pixels.mean(axis=(1, 2), dtype=np.float64) @ _MIXING, rtol=1e-4, atol=1e-3
    )


_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_RAW, _UNIT = (0.0, 255.0), (0.0, 1.0)


@pytest.mark.parametrize(
    ("front", "value_range", "channels"),
    [
        ((("Div", 255.0),), _RAW, "rgb"),
        ((("Div", 127.5), ("Sub", 1.0)), _RAW, "rgb"),
        ((("Mul", 2.0), ("Add", -1.0)), _UNIT, "rgb"),
        ((("Sub", _MEAN), ("Div", _STD)), _UNIT, "rgb"),
        ((("Div", 255.0), ("Sub", _MEAN[::-1]), ("Div", _STD[::-1])), _RAW, "bgr"),
        ((("Sub", (103.939, 116.779, 123.68)),), _RAW, "bgr"),
        ((("BatchNormalization", (123.7, 116.3, 103.5)),), _RAW, "rgb"),
    ],
)
def test_the_range_is_found_in_the_graph(
    tmp_path: Path,
    front: tuple[tuple[str, npt.ArrayLike], ...],
    value_range: tuple[float, float],
    channels: str,
) -> None:
    path = write_classifier(tmp_path / "module.onnx", front=front)
    engine = _engine(path)
    info = engine.info
    assert (info.value_range, info.channels) == (value_range, channels)
    assert (info.range_origin, notes_of(engine.info)) == ("found in the graph", ())
    pixels = _pixels(4)
    inputs = (pixels if channels == "rgb" else pixels[..., ::-1]) / 255 * value_range[1]
    expected: Any
    [expected] = ReferenceEvaluator(str(path)).run(
        None, {"images": inputs.astype(np.float32).transpose(0, 3, 1, 2)}
    )
    found = engine.run(pixels).logits
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


_NAMES = ("cat", "dog", "owl", "fox")


@pytest.mark.parametrize(
    ("properties", "ranges", "channels", "names"),
    [
        ({"Image.NominalPixelRange": "NominalRange_0_255"}, (_RAW,), "rgb", None),
        ({"Image.NominalPixelRange": "Normalized_1_1"}, ((-1.0, 1.0),), "rgb", None),
        (
            {
                "Image.NominalPixelRange": "Normalized_0_1",
                "Image.BitmapPixelFormat": "Bgr8",
                "classes": '["cat", "dog", "owl", "fox"]',
            },
            (_UNIT,),
            "bgr",
            _NAMES,
        ),
        (
            {"author": "Ultralytics", "names": "{0: 'cat', 1: 'dog', 2: 'owl', 3: 'fox'}"},
            (_UNIT,),
            "rgb",
            _NAMES,
        ),
        ({"input_range": "[-1, 1]", "labels": "cat, dog, owl, fox"}, ((-1.0, 1.0),), "rgb", _NAMES),
        (
            {"mean": "(0.5, 0.4, 0.3)", "std": "(0.25, 0.2, 0.1)"},
            ((-2.0, 2.0), (-2.0, 3.0), (-3.0, 7.0)),
            "rgb",
            None,
        ),
        (
            {"image_mean": "[127.5]", "image_std": "[127.5]", "id2label": '{"0": "cat"}'},
            ((-1.0, 1.0),),
            "rgb",
            None,
        ),
    ],
)
def test_the_properties_of_the_file_are_read(
    tmp_path: Path,
    properties: dict[str, str],
    ranges: tuple[tuple[float, float], ...],
    channels: str,
    names: tuple[str, ...] | None,
) -> None:
    path = write_classifier(tmp_path / "module.onnx", properties=properties)
    info = _engine(path).info
    np.testing.assert_allclose(info.input_ranges, ranges, atol=1e-6)
    assert (info.range_origin, info.channels) == ("stated", channels)
    assert info.class_names == names


def test_properties_that_make_no_sense_state_nothing(tmp_path: Path) -> None:
    properties = {"mean": "see paper", "std": "1", "input_range": "0..1", "imgsz": "big"}
    path = write_classifier(tmp_path / "module.onnx", properties=properties)
    assert _engine(path).info.range_origin == "assumed"


def test_the_size_of_a_file_for_any_size_is_read(tmp_path: Path) -> None:
    path = write_classifier(
        tmp_path / "module.onnx", ("N", 3, "H", "W"), properties={"imgsz": "[6, 8]"}
    )
    assert _engine(path).info.image_size == (6, 8)


@pytest.mark.parametrize("end", ["Softmax", "Sigmoid"])
def test_percentages_are_scores(tmp_path: Path, end: str) -> None:
    path = write_classifier(tmp_path / "module.onnx", end=end, factor=100.0)
    engine = _engine(path, ModuleOptions(value_range=_UNIT))
    pixels = _pixels(3)
    inputs = (pixels / np.float32(255)).transpose(0, 3, 1, 2)
    expected: Any
    [expected] = ReferenceEvaluator(str(path)).run(None, {"images": inputs})
    found = _found(engine.run(pixels))
    assert {*found} == {"scores"}
    np.testing.assert_allclose(found["scores"], expected / 100, atol=1e-6)


def test_a_dictionary_of_scores_is_read_with_its_names(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "module.onnx", end="Softmax", output="probabilities")
    plain = path.read_bytes()
    model = onnx.load_from_string(plain)
    zip_map = helper.make_node(
        "ZipMap", ["probabilities"], ["loss"], domain="ai.onnx.ml", classlabels_strings=[*_NAMES]
    )
    model.graph.node.append(zip_map)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 2))
    scores = helper.make_map_type_proto(
        TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    [output] = model.graph.output
    output.name = "loss"
    output.type.CopyFrom(helper.make_sequence_type_proto(scores))
    path.write_bytes(model.SerializeToString())
    engine = _engine(path, ModuleOptions(value_range=_UNIT))
    assert engine.info.class_names == _NAMES
    pixels = _pixels(3)
    expected: Any
    inputs = (pixels / np.float32(255)).transpose(0, 3, 1, 2)
    [expected] = ReferenceEvaluator(plain).run(None, {"images": inputs})
    found = engine.run(pixels).scores
    assert found is not None
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_quantisation_of_the_input_shows_its_range(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "module.onnx")
    model = onnx.load(path)
    nodes = model.graph.node
    [place] = (at for at, node in enumerate(nodes) if node.op_type == "Identity")
    del nodes[place]
    constants = (("scale", np.float32(2 / 255)), ("zero", np.uint8(128)))
    added = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(value)))
        for name, value in constants
    ]
    added += [
        helper.make_node("QuantizeLinear", ["step_0", "scale", "zero"], ["integers"]),
        helper.make_node("DequantizeLinear", ["integers", "scale", "zero"], ["values"]),
    ]
    for node in reversed(added):
        nodes.insert(place, node)
    path.write_bytes(model.SerializeToString())
    info = _engine(path).info
    assert (info.value_range, info.range_origin) == ((-1.0, 1.0), "found in the graph")


def test_joined_softmaxes_are_independent_scores(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "module.onnx", end="Softmax", output="first")
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("Softmax", ["mixed"], ["second"]))
    model.graph.node.append(helper.make_node("Concat", ["first", "second"], ["out"], axis=1))
    [output] = model.graph.output
    output.CopyFrom(helper.make_tensor_value_info("out", TensorProto.FLOAT, ("N", 8)))
    path.write_bytes(model.SerializeToString())
    info = _engine(path).info
    assert (*info.heads, info.class_count, info.independent) == ("scores", 8, True)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_inputs_of_other_floats_are_taken(tmp_path: Path, kind: int) -> None:
    path = write_classifier(tmp_path / "module.onnx", kind=kind)
    pixels = _pixels(2)
    found = _engine(path, ModuleOptions(value_range=_UNIT)).run(pixels).logits
    assert found is not None
    expected = (pixels / 255).mean(axis=(1, 2)) @ _MIXING
    np.testing.assert_allclose(found, expected, atol=5e-3)


def test_weights_in_another_file_are_refused_with_a_command_that_works(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "module.onnx", front=(("Div", 255.0),))
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="weights", size_threshold=0
    )
    command = r'onnx.save(onnx.load("module.onnx"), "one.onnx")'
    with pytest.raises(
        ModuleError,
        match=re.escape(f"are in weights, and workers get one file. Write one with {command}."),
    ):
        open_module(str(path))
    onnx.save(onnx.load(path), tmp_path / "one.onnx")
    assert _engine(tmp_path / "one.onnx").info.value_range == _RAW


def test_a_range_that_nothing_states_is_said_to_be_assumed(tmp_path: Path) -> None:
    engine = _engine(write_classifier(tmp_path / "module.onnx"))
    assert engine.info.range_origin == "assumed"
    assert any("nothing states the input range" in note for note in notes_of(engine.info))


@pytest.mark.parametrize(
    "options",
    [
        ModuleOptions(value_range=(-1.0, 1.0), channels="bgr"),
        ModuleOptions(mean=(1.0, 2.0, 3.0), std=(4.0,)),
    ],
)
def test_what_is_missing_is_written_into_a_copy(tmp_path: Path, options: ModuleOptions) -> None:
    earlier = {"Image.NominalPixelRange": "NominalRange_0_255", "names": "{0: 'a'}", "other": "x"}
    path = write_classifier(tmp_path / "module.onnx", properties=earlier)
    annotate(path, tmp_path / "new.onnx", _NAMES, options)
    info = _engine(tmp_path / "new.onnx").info
    assert info.input_ranges == options.ranges
    assert (info.range_origin, info.class_names) == ("stated", _NAMES)
    assert info.channels == (options.channels or "rgb")
    again = onnx.load(tmp_path / "new.onnx").metadata_props
    assert "x" in [each.value for each in again if each.key == "other"]
    with pytest.raises(ModuleError, match="no property for outputs and signatures"):
        annotate(path, tmp_path / "new.onnx", None, ModuleOptions(outputs={"out": "logits"}))


def test_a_job_labels_with_an_onnx_file(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "module.onnx")
    # The processes that decode pictures run it.
    assert module_bytes(open_module(str(path))) == path.stat().st_size + 15_000_000
    draw(tmp_path / "images" / "red.png", 255, 0, 0)
    draw(tmp_path / "images" / "green.png", 0, 255, 0)
    output = tmp_path / "labels"
    command = ("label", tmp_path / "images", "--output", output, "--module", path)
    assert imagebeam(*command, "--input-range", 0, 1) == 0
    labels = {Path(row["uri"]).stem: row["label"] for row in predictions(output)}
    assert labels == {"red": str(_MIXING[0].argmax()), "green": str(_MIXING[1].argmax())}
    assert imagebeam(*command, "--input-range", -1, 1, "--overwrite") == 0


def test_a_picture_on_which_the_file_fails_costs_one_row(tmp_path: Path) -> None:
    """Red pictures ask for 60 GB."""
    path = write_classifier(tmp_path / "module.onnx")
    model = onnx.load(path)
    [last] = (node for node in model.graph.node if node.output[0] == "out")
    last.output[0] = "small"
    constants = {
        "red": np.array([0]),
        "line": np.array(250, np.float32),
        "many": np.array(3e9, np.float32),
    }
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    steps = [
        ("Gather", ["colours", "red"], {"axis": 1}),
        ("ReduceMax", ["?"], {"keepdims": 0}),
        ("Sub", ["?", "line"], {}),
        ("Relu", ["?"], {}),
        ("Mul", ["?", "many"], {}),
        ("Cast", ["?"], {"to": TensorProto.INT64}),
        ("Unsqueeze", ["?", "red"], {}),
        ("ConstantOfShape", ["?"], {}),
        ("ReduceSum", ["?"], {"keepdims": 0}),
        ("Add", ["?", "small"], {}),
    ]
    for number, (operation, inputs, attributes) in enumerate(steps):
        names = [each.replace("?", f"extra_{number - 1}") for each in inputs]
        result = "out" if operation == "Add" else f"extra_{number}"
        model.graph.node.append(helper.make_node(operation, names, [result], **attributes))
    path.write_bytes(model.SerializeToString())
    draw(tmp_path / "images" / "red.png", 255, 0, 0)
    draw(tmp_path / "images" / "green.png", 0, 255, 0)
    command = ("label", tmp_path / "images", "--output", tmp_path / "labels", "--module", path)
    assert imagebeam(*command, "--input-range", 0, 255) == 0
    labelled, failed = predictions(tmp_path / "labels"), errors(tmp_path / "labels")
    assert [Path(row["uri"]).stem for row in labelled] == ["green"]
    assert [(Path(row["uri"]).stem, row["stage"]) for row in failed] == [("red", "infer")]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (("N", "A", "B", "C"), r"not one batch of RGB pictures \(float, uint8"),
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
    with pytest.raises(ModuleError, match=r"not an ONNX file that can be read \("):
        open_module(str(path))


@pytest.mark.parametrize("engine", ["litert", "tensorflow"])
def test_another_engine_is_refused(tmp_path: Path, engine: str) -> None:
    path = write_classifier(tmp_path / "module.onnx")
    with pytest.raises(ModuleError, match=f"the engine '{engine}' cannot run"):
        open_module(str(path), engine)
