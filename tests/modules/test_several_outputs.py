"""Test functions with several outputs whose names say nothing, in each format of modules."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper

from imagebeam.modules.engines import load_engine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.open_module import AUTO, open_module
from imagebeam.modules.probes import POOLING, SIGMOID, SOFTMAX
from imagebeam.modules.several_outputs import (
    BIAS,
    DENSE,
    FORM,
    NOTHING_SEEN,
    SCORING,
    SeenOutput,
    SeenOutputs,
    Step,
)
from tests.modules import zoo
from tests.modules.zoo import CLASSES, SIZE, pictures
from tests.modules.zoo import DENSE as WEIGHTS

_GRAPH: Mapping[str, Step] = {
    "probs": (SCORING, "flat"),
    "flat": (FORM, "sum"),
    "sum": (BIAS, "product"),
    "product": (DENSE, "flat vector"),
    "flat vector": (FORM, "vector"),
    "other": (DENSE, "vector"),
    "other probs": (SCORING, "other"),
}


def _kinds(**ends: str | None) -> dict[str, str]:
    by_name = {name: SeenOutput(name.replace("_", " "), end) for name, end in ends.items()}
    return SeenOutputs(by_name, _GRAPH.get).kinds([*ends])  # type: ignore[arg-type]


def test_what_a_softmax_takes_are_logits_and_what_a_dense_layer_takes_are_features() -> None:
    assert _kinds(probs=SOFTMAX, sum=None) == {"scores": "probs", "logits": "sum"}
    assert _kinds(probs=SIGMOID, flat_vector=None) == {"scores": "probs", "features": "flat_vector"}
    assert _kinds(sum=None, vector=None) == {"logits": "sum", "features": "vector"}
    assert _kinds(vector=POOLING, flat=POOLING, probs=SOFTMAX) == {
        "features": "vector",
        "logits": "flat",
        "scores": "probs",
    }


def test_two_classifiers_are_unclear() -> None:
    assert _kinds(sum=None, other=None) == {}
    assert _kinds(probs=SOFTMAX, other_probs=SOFTMAX) == {}
    assert _kinds(probs=SOFTMAX, other=None) == {}
    assert NOTHING_SEEN.kinds(["probs", "sum"]) == {}


Outputs = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]

_FUNCTIONS: dict[str, tuple[Outputs, set[str]]] = {
    "logits, features": (
        lambda v, x, p, q: {"first": x, "second": v},
        {"logits", "features", "scores"},
    ),
    "features, scores": (lambda v, x, p, q: {"first": v, "second": p}, {"features", "scores"}),
    "scores, logits": (lambda v, x, p, q: {"first": p, "second": x}, {"scores", "logits"}),
    "all": (
        lambda v, x, p, q: {"first": p, "second": v, "third": x},
        {"scores", "logits", "features"},
    ),
}


def _tensorflow(outputs: Outputs) -> zoo.Function:
    def function(images: tf.Tensor) -> dict[str, tf.Tensor]:
        vector = zoo.features(images)
        logits = vector @ WEIGHTS + tf.constant([0.5, 0.25, 0.0, -0.5])
        return outputs(vector, logits, tf.nn.softmax(logits), tf.nn.softmax(vector))

    return function


def _flatbuffer(path: Path, outputs: Outputs) -> Path:
    return zoo.flatbuffer(path.with_suffix(".tflite"), _tensorflow(outputs))


def _saved_model(path: Path, outputs: Outputs) -> Path:
    return zoo.saved_model(path, {"serving_default": _tensorflow(outputs)})


def _onnx(path: Path, outputs: Any) -> Path:
    names = outputs("vector", "logits", "probs", "others")
    kernel = zoo.KERNEL.transpose(3, 2, 0, 1)
    constants = {
        "k": kernel,
        "w": WEIGHTS,
        "bias": np.array([0.5, 0.25, 0, -0.5]),
        "six": np.array(6),
    }
    constants |= {"none": np.array(0)}
    nodes = [
        helper.make_node("Transpose", ["images"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "k"], ["c"], strides=[2, 2], pads=[0, 0, 1, 1]),
        helper.make_node("Clip", ["c", "none", "six"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["vector"]),
        helper.make_node("MatMul", ["vector", "w"], ["product"]),
        helper.make_node("Add", ["bias", "product"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probs"]),
        helper.make_node("Softmax", ["vector"], ["others"]),
        *(helper.make_node("Identity", [name], [key]) for key, name in names.items()),
    ]
    lengths = {"vector": 6, "logits": CLASSES, "probs": CLASSES, "others": 6}
    graph = helper.make_graph(
        nodes,
        "it",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info(key, TensorProto.FLOAT, ["N", lengths[name]])
            for key, name in names.items()
        ],
        [
            numpy_helper.from_array(np.ascontiguousarray(each, np.float32), name)
            for name, each in constants.items()
        ],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, ir_version=9, opset_imports=[opset])
    onnx.save(model, path.with_suffix(".onnx"))
    return path.with_suffix(".onnx")


def _expected() -> dict[str, zoo.Array]:
    vector = zoo.features(tf.constant(pictures(), tf.float32) / 255).numpy()
    logits = vector @ WEIGHTS + np.array([0.5, 0.25, 0, -0.5], np.float32)
    return {"features": vector, "logits": logits, "scores": tf.nn.softmax(logits).numpy()}


def _answers(handle: Path, engine: str, cache: Path) -> dict[str, zoo.Array]:
    module = open_module(str(handle), engine, cache)
    found = load_engine(module.engine, module.path, module.info).run(pictures())
    return {head: getattr(found, head) for head in module.info.heads}


@pytest.mark.parametrize("name", _FUNCTIONS)
@pytest.mark.parametrize(
    ("write", "engine", "cut"),
    [
        (_flatbuffer, AUTO, True),
        (_saved_model, AUTO, True),
        (_saved_model, "tensorflow", False),
        (_onnx, AUTO, False),
    ],
    ids=["flatbuffer", "SavedModel", "TensorFlow", "ONNX"],
)
def test_the_graph_tells_what_each_output_is(
    tmp_path: Path, write: Any, engine: str, cut: bool, name: str
) -> None:
    outputs, kinds = _FUNCTIONS[name]
    found = _answers(write(tmp_path / "module", outputs), engine, tmp_path / "cache")
    # A flatbuffer gets the vector before its last layer as one more output.
    assert {*found} == kinds | ({"features"} if cut else set())
    for head, rows in found.items():
        np.testing.assert_allclose(rows, _expected()[head], atol=1e-5)


def test_a_flatbuffer_with_class_numbers_beside_scores_has_logits_and_features(
    tmp_path: Path,
) -> None:
    handle = _flatbuffer(
        tmp_path / "module", lambda v, x, p, q: {"first": tf.argmax(p, 1), "second": p}
    )
    found = _answers(handle, AUTO, tmp_path / "cache")
    assert {*found} == {"features", "logits", "scores"}
    for head, rows in found.items():
        np.testing.assert_allclose(rows, _expected()[head], atol=1e-5)


@pytest.mark.parametrize("write", [_flatbuffer, _saved_model, _onnx])
def test_two_answers_are_refused_with_what_was_seen(tmp_path: Path, write: Any) -> None:
    handle = write(tmp_path / "module", lambda v, x, p, q: {"first": p, "second": q})
    with pytest.raises(ModuleError, match=re.escape("it is unclear which to use")) as error:
        open_module(str(handle), cache=tmp_path / "cache")
    assert "'first' [?, 4] (the end of a softmax)" in str(error.value)
    assert "--module-output NAME=logits, NAME=scores" in str(error.value)
