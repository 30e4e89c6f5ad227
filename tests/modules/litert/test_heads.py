from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from imagebeam.modules.engines.litert import LiteRTEngine
from imagebeam.modules.litert.flatbuffer import read_interface
from imagebeam.modules.litert.graph import Graph, pack
from imagebeam.modules.litert.heads import expose_heads
from imagebeam.modules.metadata import Metadata, append_to_flatbuffer
from imagebeam.modules.open_module import open_module
from tests.modules.flatbuffers import echo

_LOGIT_STEP = 0.1464572
_FEATURE_STEP = 0.02352848


@pytest.fixture(scope="session")
def published(reference: Path) -> bytes:
    return (reference / "mobilenet_v1_0.5_160_quant.tflite").read_bytes()


def test_the_published_flatbuffer_has_all_three_outputs(published: bytes) -> None:
    info = read_interface(published, "it").info
    assert info.heads == {"logits", "scores", "features"}
    assert (info.class_count, info.feature_length) == (1001, 512)


def test_its_logits_and_features_are_the_golden_ones(reference: Path, published: bytes) -> None:
    golden = np.load(reference / "golden.npz")
    outputs = LiteRTEngine(published, "it").run(golden["pixels"])
    assert outputs.logits is not None
    assert outputs.features is not None
    assert abs(outputs.logits - golden["logits"]).max() <= 4.01 * _LOGIT_STEP
    # The features are averages of 25 activations, which differ by some steps.
    assert abs(outputs.features - golden["features"]).max() <= 16 * _FEATURE_STEP
    np.testing.assert_array_equal(outputs.logits.argmax(axis=1), golden["logits"].argmax(axis=1))


def test_its_scores_round_to_those_of_the_file_itself(reference: Path, published: bytes) -> None:
    pixels = np.load(reference / "golden.npz")["pixels"]
    scores = LiteRTEngine(published, "it").run(pixels).scores
    assert scores is not None
    np.testing.assert_allclose(scores, _run_alone(published, pixels), rtol=0, atol=1 / 256)


def _run_alone(content: bytes, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    [entry], [output] = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for picture in pixels:
        interpreter.set_tensor(entry["index"], picture[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(output["index"])[0])
    scale, zero_point = output["quantization"]
    scores: npt.NDArray[np.float32] = (np.stack(rows).astype(np.float32) - zero_point) * scale
    return scores


def test_any_number_of_pictures_runs_at_once(reference: Path, published: bytes) -> None:
    assert read_interface(published, "it").batch is None
    pixels = np.load(reference / "golden.npz")["pixels"]
    together = LiteRTEngine(published, "it").run(pixels).logits
    alone = [LiteRTEngine(published, "it").run(pixels[row : row + 1]).logits for row in range(8)]
    assert together is not None
    np.testing.assert_array_equal(
        together, np.concatenate([row for row in alone if row is not None])
    )


def test_class_names_are_kept(reference: Path) -> None:
    module = open_module(str(reference / "mobilenet_v1_0.25_128_quant.tflite"))
    assert module.info.class_names is not None
    assert module.info.class_names[20] == "chickadee"


def _dense(end: str | None, name: str = "dense") -> bytes:
    """Return a flatbuffer whose twelve values go through a dense layer, and a second function."""
    graph = Graph(echo(names=(name,)))
    model, kinds = graph.model, schema.BuiltinOperator
    first = model.subgraphs[0]
    [flat] = first.outputs
    wanted = [("weights", _WEIGHTS), ("bias", np.zeros(len(_WEIGHTS), np.float32))]
    numbers = [_add_constant(model, *each) for each in wanted]
    last = _add_operation(model, kinds.FULLY_CONNECTED, [flat, *numbers])
    if end is not None:
        last = _add_operation(model, getattr(kinds, end), [last])
    first.tensors[last].name = name
    first.outputs = [last]
    model.subgraphs.append(Graph(echo()).model.subgraphs[0])
    for tensor in model.subgraphs[1].tensors:
        tensor.buffer = 0
    model.subgraphs[1].operators, model.subgraphs[1].outputs = [], model.subgraphs[1].inputs
    return pack(model)


_WEIGHTS = np.random.default_rng(4).normal(0, 2, (5, 12)).astype(np.float32)


def _add_constant(model: Any, name: str, values: npt.NDArray[np.float32]) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return _add_tensor(model, name, values.shape, len(model.buffers) - 1)


def _add_tensor(model: Any, name: str, shape: tuple[int, ...], buffer: int = 0) -> int:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
    tensor.type = schema.TensorType.FLOAT32
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def _add_operation(model: Any, kind: int, inputs: list[int]) -> int:
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode, code.deprecatedBuiltinCode = kind, min(kind, 127)
    code.version = 1
    model.operatorCodes.append(code)
    operator.opcodeIndex, operator.inputs = len(model.operatorCodes) - 1, inputs
    operator.outputs = [_add_tensor(model, f"result of {kind}", (1, len(_WEIGHTS)))]
    if kind == schema.BuiltinOperator.SOFTMAX:
        operator.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
        operator.builtinOptions = schema.SoftmaxOptionsT()
        operator.builtinOptions.beta = 1.0
    model.subgraphs[0].operators.append(operator)
    return int(operator.outputs[0])


@pytest.mark.parametrize(
    ("end", "name", "heads"),
    [
        ("SOFTMAX", "dense", {"logits", "scores", "features"}),
        ("LOGISTIC", "dense", {"scores", "features"}),
        (None, "dense", {"logits", "scores", "features"}),
        ("RELU_0_TO_1", "dense", {"scores", "features"}),
        ("LOG_SOFTMAX", "dense", {"logits", "scores", "features"}),
        # Its own answer is the feature vector, not what comes before its last layer.
        ("RELU", "dense", {"features"}),
        (None, "embedding", {"features"}),
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_a_classifier_gives_what_comes_before_its_last_layer(
    end: str | None, name: str, heads: set[str], compiled: bool
) -> None:
    content = _dense(end, name)
    if compiled and "scores" in heads:
        kind = "logits" if end in (None, "LOG_SOFTMAX") else "scores"
        content = append_to_flatbuffer(content, Metadata(outputs={kind: 0}))
    engine = LiteRTEngine(content, "it")
    assert engine.info.heads == heads
    pixels = np.random.default_rng(5).integers(0, 256, (3, 2, 2, 3), dtype=np.uint8)
    outputs = engine.run(pixels)
    values = (pixels / np.float32(255)).reshape(3, 12)
    logits = values @ _WEIGHTS.T
    features = values if heads > {"features"} else logits.clip(0) if end == "RELU" else logits
    assert outputs.features is not None
    np.testing.assert_allclose(outputs.features, features, rtol=1e-4, atol=1e-5)
    if outputs.logits is not None:
        if end == "LOG_SOFTMAX":
            logits = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(outputs.logits, logits, rtol=1e-4, atol=1e-5)
    if outputs.scores is not None and end == "RELU_0_TO_1":
        np.testing.assert_allclose(outputs.scores, logits.clip(0, 1), rtol=1e-4, atol=1e-5)
    if outputs.scores is not None and end == "LOGISTIC":
        expected = 1 / (1 + np.exp(-(values @ _WEIGHTS.T)))
        np.testing.assert_allclose(outputs.scores, expected, rtol=1e-4, atol=1e-5)


def test_an_activation_in_the_last_layer_makes_its_result_the_features() -> None:
    graph = Graph(_dense(None))
    [dense] = (each for each in graph.operators if graph.name(each) == "FULLY_CONNECTED")
    dense.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    dense.builtinOptions = schema.FullyConnectedOptionsT()
    dense.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.RELU
    engine = LiteRTEngine(pack(graph.model), "it")
    pixels = np.random.default_rng(5).integers(0, 256, (3, 2, 2, 3), dtype=np.uint8)
    expected = ((pixels / np.float32(255)).reshape(3, 12) @ _WEIGHTS.T).clip(0)
    assert engine.info.heads == {"features"}
    found = engine.run(pixels).features
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "content", [echo(), b"", b"TFL3" * 50, bytes(5000)], ids=["echo", "empty", "magic", "zeros"]
)
def test_other_files_are_unchanged(content: bytes) -> None:
    assert expose_heads(content) is None
