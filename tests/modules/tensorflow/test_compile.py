from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from imagebeam.modules.engines.litert import LiteRTEngine
from imagebeam.modules.input_ranges import ASSUMED, GRAPH
from imagebeam.modules.inspection import count_costs
from imagebeam.modules.litert.flatbuffer import read_interface
from imagebeam.modules.metadata import read_from_flatbuffer
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.probes import probe_pictures
from imagebeam.modules.tensorflow.compile import (
    NotCompilableError,
    check_agreement,
    compile_saved_model,
)
from imagebeam.modules.tensorflow.saved_model import load_saved_model
from tests.modules.saved_models import (
    CLASSES,
    SIZE,
    mean_colours,
    pictures,
    quantops_network,
    write_tf1,
    write_tf2,
)

_LOGIT_STEP = 0.146457
_FEATURE_STEP = 6 / 255


def _compiled(directory: Path) -> bytes:
    return compile_saved_model(load_saved_model(directory))


def _run(flatbuffer: bytes, pixels: npt.NDArray[np.uint8]) -> ModelOutputs:
    return LiteRTEngine(flatbuffer, "it").run(pixels)


def _logits(flatbuffer: bytes, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    logits = _run(flatbuffer, pixels).logits
    assert logits is not None
    return logits


def _classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"default": mean_colours(images)}


_QUANTOPS = {
    "image_classification": lambda images: {"default": quantops_network(images)["logits"]},
    "image_feature_vector": lambda images: {"default": quantops_network(images)["features"]},
}


@pytest.mark.parametrize("write", [write_tf1, write_tf2])
def test_a_quantops_module_becomes_a_network_of_integers(tmp_path: Path, write: Any) -> None:
    flatbuffer = _compiled(write(tmp_path / "module", _QUANTOPS))
    costs = count_costs(flatbuffer)
    assert set(costs.dtypes) == {"uint8", "int32"}
    # Each convolution is stored once, although two signatures use it.
    assert costs.operations == {"CONV_2D": 2, "AVERAGE_POOL_2D": 1, "RESHAPE": 2}
    interface = read_interface(flatbuffer, "it")
    assert interface.input.dtype == np.uint8
    assert (interface.batch, interface.info.quantops) == (None, True)
    assert (interface.input.scale, interface.input.zero_point) == (1 / 128, 128)
    assert interface.outputs["logits"].scale == pytest.approx(8 / 255)
    assert interface.outputs["features"].scale == pytest.approx(6 / 255)


def test_the_compiled_network_gives_the_outputs_of_the_module(tmp_path: Path) -> None:
    directory = write_tf2(tmp_path / "module", _QUANTOPS)
    pixels = probe_pictures((SIZE, SIZE), 9)
    found = _run(_compiled(directory), pixels)
    assert found.logits is not None
    assert found.features is not None
    expected = quantops_network(tf.constant(pixels / np.float32(255)))
    # Well-conditioned: a step of the logits is 0.031, and a step of the activations 0.024.
    np.testing.assert_allclose(found.logits, expected["logits"].numpy(), rtol=0, atol=0.08)
    np.testing.assert_allclose(found.features, expected["features"].numpy(), rtol=0, atol=0.05)


def test_a_float_module_stays_float(tmp_path: Path) -> None:
    flatbuffer = _compiled(write_tf2(tmp_path / "module", {"serving_default": _classify}))
    assert "float32" in count_costs(flatbuffer).dtypes
    pixels = probe_pictures((SIZE, SIZE), 9)
    expected = mean_colours(tf.constant(pixels / np.float32(255))).numpy()
    np.testing.assert_allclose(_logits(flatbuffer, pixels), expected, rtol=1e-5, atol=1e-6)


def test_a_fixed_batch_length_is_kept(tmp_path: Path) -> None:
    directory = write_tf2(tmp_path / "module", {"default": _classify}, pictures(batch=3))
    flatbuffer = _compiled(directory)
    assert read_interface(flatbuffer, "it").batch == 3
    pixels = probe_pictures((SIZE, SIZE), 7)
    expected = mean_colours(tf.constant(pixels / np.float32(255))).numpy()
    np.testing.assert_allclose(_logits(flatbuffer, pixels), expected, rtol=1e-5, atol=1e-6)


def test_metadata_of_the_module_is_kept(tmp_path: Path) -> None:
    directory = write_tf2(tmp_path / "module", {"default": _classify})
    (directory / "assets.extra").mkdir()
    (directory / "assets.extra" / "module.json").write_text(
        '{"format": "imagebeam-module/1", "classes": ["a", "b", "c", "d", "e"],'
        ' "value_range": [-1, 1], "provenance": {"from": "here"}}'
    )
    info = load_saved_model(directory).info
    flatbuffer = _compiled(directory)
    found = read_interface(flatbuffer, "it").info
    # The flatbuffer also gives what its last layer takes.
    assert found.heads == info.heads | {"features"}
    assert replace(found, heads=info.heads, feature_length=None) == info
    assert read_from_flatbuffer(flatbuffer, "it").outputs == {"logits": 0}


def test_operations_that_litert_lacks_are_reported(tmp_path: Path) -> None:
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": tf.linalg.svd(images[..., 0], compute_uv=False)}

    directory = write_tf2(tmp_path / "module", {"default": classify})
    with pytest.raises(NotCompilableError, match=r"LiteRT cannot hold it \(.*Svd"):
        _compiled(directory)


def test_operations_for_known_shapes_are_compiled_for_one_picture(tmp_path: Path) -> None:
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": tf.math.lgamma(mean_colours(images) + 5.0)}

    flatbuffer = _compiled(write_tf2(tmp_path / "module", {"default": classify}))
    assert read_interface(flatbuffer, "it").batch == 1
    pixels = probe_pictures((SIZE, SIZE), 3)
    expected = classify(tf.constant(pixels / np.float32(255)))["default"].numpy()
    np.testing.assert_allclose(_logits(flatbuffer, pixels), expected, rtol=1e-3)


def _retrained(images: tf.Tensor) -> dict[str, tf.Tensor]:
    weights = np.random.default_rng(2).normal(0, 0.5, [8, 3]).astype(np.float32)
    return {"default": quantops_network(images)["features"] @ weights + [0.5, 0.0, -0.5]}


def test_a_new_head_stays_float_behind_a_network_of_integers(tmp_path: Path) -> None:
    flatbuffer = _compiled(write_tf2(tmp_path / "module", {"default": _retrained}))
    interface = read_interface(flatbuffer, "it")
    assert interface.input.dtype == np.uint8
    assert interface.batch is None
    assert interface.outputs["logits"].dtype == np.float32
    assert count_costs(flatbuffer).operations == {
        "CONV_2D": 1,
        "AVERAGE_POOL_2D": 1,
        "RESHAPE": 1,
        "DEQUANTIZE": 1,
        "FULLY_CONNECTED": 1,
    }
    pixels = probe_pictures((SIZE, SIZE), 9)
    expected = _retrained(tf.constant(pixels / np.float32(255)))["default"].numpy()
    np.testing.assert_allclose(_logits(flatbuffer, pixels), expected, rtol=0, atol=0.08)


def test_a_quantops_module_that_cannot_take_bytes_becomes_float(tmp_path: Path) -> None:
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": quantops_network(images)["logits"] + mean_colours(images * 2.0)}

    flatbuffer = _compiled(write_tf2(tmp_path / "module", {"default": classify}))
    assert read_interface(flatbuffer, "it").input.dtype == np.float32
    pixels = probe_pictures((SIZE, SIZE), 9)
    expected = classify(tf.constant(pixels / np.float32(255)))["default"].numpy()
    np.testing.assert_allclose(_logits(flatbuffer, pixels), expected, rtol=0, atol=0.08)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of tf_keras, about its own use of TensorFlow
def test_a_retrained_hub_module_gives_the_outputs_that_tensorflow_computes(
    reference: Path, tmp_path: Path
) -> None:
    """Train a head on the features of the published module, as hub's examples do, and save it."""
    import tensorflow_hub
    import tf_keras

    body = tensorflow_hub.KerasLayer(
        str(reference / "module"), signature="image_feature_vector", output_key="default"
    )
    model = tf_keras.Sequential(
        [
            tf_keras.layers.InputLayer(input_shape=(160, 160, 3)),
            body,
            tf_keras.layers.Dense(7, kernel_initializer=tf_keras.initializers.RandomNormal(seed=1)),
        ]
    )
    model.save(tmp_path / "retrained")
    flatbuffer = _compiled(tmp_path / "retrained")
    interface = read_interface(flatbuffer, "it")
    assert interface.input.dtype == np.uint8
    pixels = probe_pictures((160, 160), 5)
    expected = model(tf.constant(pixels / np.float32(255))).numpy()
    # The sum of 512 features that are one step off, times weights of 0.05, is about 0.03.
    np.testing.assert_allclose(_logits(flatbuffer, pixels), expected, rtol=0, atol=0.15)


def test_a_range_that_only_the_flatbuffer_shows_is_no_difference(tmp_path: Path) -> None:
    generator = np.random.default_rng(6)
    kernel = generator.normal(size=(4, 4, 3, 8)).astype(np.float32)
    weights = generator.normal(size=(8, CLASSES)).astype(np.float32)

    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        # The converter computes the exponential; then the flatbuffer shows the rescaling.
        rescaled = images * tf.exp(tf.constant(-np.log(255), tf.float32)) - 0.5
        rows = tf.nn.relu6(tf.nn.conv2d(rescaled, kernel, 4, "SAME"))
        return {"default": tf.reduce_mean(rows, [1, 2]) @ weights}

    module = load_saved_model(write_tf2(tmp_path / "module", {"default": classify}))
    assert (module.info.range_origin, module.info.value_range) == (ASSUMED, (0.0, 1.0))
    info = read_interface(compile_saved_model(module), "it").info
    assert (info.range_origin, info.value_range) == (GRAPH, (0.0, 255.0))


def test_a_flatbuffer_with_other_outputs_is_refused(tmp_path: Path) -> None:
    def negated(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": -mean_colours(images)}

    module = load_saved_model(write_tf2(tmp_path / "module", {"default": _classify}))
    check_agreement(module, compile_saved_model(module))
    another = _compiled(write_tf2(tmp_path / "other", {"default": negated}))
    with pytest.raises(NotCompilableError, match="its logits would differ"):
        check_agreement(module, another)


@pytest.fixture(scope="session")
def reference_flatbuffer(reference: Path) -> bytes:
    return _compiled(reference / "module")


def test_the_reference_module_gives_its_golden_values(
    reference: Path, reference_flatbuffer: bytes
) -> None:
    golden = np.load(reference / "golden.npz")
    answers = _run(reference_flatbuffer, golden["pixels"])
    assert answers.logits is not None
    assert answers.features is not None
    assert abs(answers.logits - golden["logits"]).max() <= 4.01 * _LOGIT_STEP
    # The features are averages of 25 activations, which differ by some steps.
    assert abs(answers.features - golden["features"]).max() <= 16 * _FEATURE_STEP
    best = golden["logits"].max(axis=1)
    chosen = np.take_along_axis(golden["logits"], answers.logits.argmax(axis=1)[:, None], 1)[:, 0]
    np.testing.assert_array_equal(chosen, best)


def test_the_reference_module_is_integer_only_and_takes_any_batch(
    reference_flatbuffer: bytes,
) -> None:
    costs = count_costs(reference_flatbuffer)
    assert set(costs.dtypes) == {"uint8", "int32"}
    assert costs.operations == {
        "CONV_2D": 15,
        "DEPTHWISE_CONV_2D": 13,
        "AVERAGE_POOL_2D": 1,
        "RESHAPE": 2,
    }
    assert read_interface(reference_flatbuffer, "it").batch is None


def test_the_reference_module_has_the_weights_of_the_published_flatbuffer(
    reference: Path, reference_flatbuffer: bytes
) -> None:
    published = _weights((reference / "mobilenet_v1_0.5_160_quant.tflite").read_bytes())
    found = _weights(reference_flatbuffer)
    assert sum(each.size for each in found) == 1_320_160
    for ours, theirs in zip(found, published, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# LiteRT warns that keeping all tensors takes memory.
@pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors:UserWarning")
def test_the_reference_module_has_the_logits_of_the_published_flatbuffer(
    reference: Path, reference_flatbuffer: bytes
) -> None:
    content = (reference / "mobilenet_v1_0.5_160_quant.tflite").read_bytes()
    pixels = np.load(reference / "golden.npz")["pixels"]
    found = _logits(reference_flatbuffer, pixels)
    assert abs(found - _before_softmax(content, pixels)).max() <= 2 * _LOGIT_STEP


def _weights(content: bytes) -> list[npt.NDArray[np.uint8]]:
    """Return the kernel of every convolution, in order."""
    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    operators = (graph.Operators(number) for number in range(graph.OperatorsLength()))
    kernels = [graph.Tensors(each.Inputs(1)) for each in operators if each.InputsLength() == 3]
    return [np.array(model.Buffers(kernel.Buffer()).DataAsNumpy()) for kernel in kernels]


def _before_softmax(content: bytes, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    interpreter = Interpreter(
        model_content=content, num_threads=1, experimental_preserve_all_tensors=True
    )
    interpreter.allocate_tensors()
    operators = {each["op_name"]: each for each in interpreter._get_ops_details()}
    index = operators["SOFTMAX"]["inputs"][0]
    (scale, zero_point) = next(
        each["quantization"] for each in interpreter.get_tensor_details() if each["index"] == index
    )
    rows = []
    for picture in pixels:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(index).reshape(-1).astype(np.float32))
    logits: npt.NDArray[np.float32] = (np.stack(rows) - zero_point) * np.float32(scale)
    return logits
