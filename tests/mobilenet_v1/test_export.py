"""Test the SavedModel as its users load it: TensorFlow, TF-Hub, Keras, TensorFlow Serving."""

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.mobilenet_v1 import Architecture, NetworkError
from imagebeam.mobilenet_v1.checkpoint import read_module
from imagebeam.mobilenet_v1.export import export_module
from imagebeam.mobilenet_v1.network import Network

SMALL = Architecture(0.25, 32, 3)
ENDPOINTS = {
    "MobilenetV1/Conv2d_0",
    *(
        f"MobilenetV1/Conv2d_{index}_{kind}"
        for index in range(1, 14)
        for kind in ("depthwise", "pointwise")
    ),
    "MobilenetV1/AvgPool_1a",
    "MobilenetV1/Logits",
    "MobilenetV1/Predictions",
}


@pytest.fixture(scope="module")
def exported(published: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("export") / "module"
    export_module(published, output, provenance={"checkpoint": "published"})
    return output


@pytest.fixture(scope="module")
def loaded(exported: Path) -> Any:
    return tf.saved_model.load(str(exported))


@pytest.fixture(scope="module")
def images(golden: dict[str, np.ndarray]) -> tf.Tensor:
    return tf.constant(golden["pixels"] / 255.0, tf.float32)


@pytest.fixture(scope="module")
def expected(published: Network, images: tf.Tensor) -> dict[str, tf.Tensor]:
    return dict(tf.function(published.infer)(images * 2 - 1))


def test_call_gives_logits(
    loaded: Any, images: tf.Tensor, expected: dict[str, tf.Tensor], golden: dict[str, np.ndarray]
) -> None:
    logits = loaded(images)
    np.testing.assert_allclose(logits, expected["Logits"], atol=1e-5)
    assert np.abs(logits - golden["logits"]).max() <= 2.001 * 0.146457


@pytest.mark.parametrize("name", ["default", "serving_default", "image_classification"])
def test_classification_signatures_are_exported(
    loaded: Any, images: tf.Tensor, expected: dict[str, tf.Tensor], name: str
) -> None:
    answers = loaded.signatures[name](images=images)
    np.testing.assert_allclose(answers["default"], expected["Logits"], atol=1e-5)


def test_feature_signature_is_exported(
    loaded: Any, images: tf.Tensor, expected: dict[str, tf.Tensor]
) -> None:
    features = loaded.signatures["image_feature_vector"](images=images)["default"]
    np.testing.assert_allclose(features, expected["AvgPool_1a"][:, 0, 0], atol=1e-5)


def test_signatures_take_images_of_the_networks_size(loaded: Any) -> None:
    specs = {
        name: signature.structured_input_signature[1]
        for name, signature in loaded.signatures.items()
    }
    inputs = {"images": tf.TensorSpec([None, 160, 160, 3], tf.float32, name="images")}
    assert specs == {
        "default": inputs,
        "serving_default": inputs,
        "image_classification": inputs,
        "image_feature_vector": inputs,
    }


@pytest.mark.parametrize("name", ["image_classification", "image_feature_vector"])
def test_every_layer_is_an_output(
    loaded: Any, images: tf.Tensor, expected: dict[str, tf.Tensor], name: str
) -> None:
    answers = loaded.signatures[name](images=images)
    assert answers.keys() == {"default", *ENDPOINTS}
    for endpoint in ENDPOINTS:
        own = expected[endpoint.removeprefix("MobilenetV1/")]
        np.testing.assert_allclose(answers[endpoint], own, atol=1e-5, err_msg=endpoint)


def test_plain_signatures_have_no_other_output(loaded: Any, images: tf.Tensor) -> None:
    assert list(loaded.signatures["default"](images=images)) == ["default"]
    assert list(loaded.signatures["serving_default"](images=images)) == ["default"]


def test_batch_size_is_variable(loaded: Any, images: tf.Tensor) -> None:
    # Other batch sizes sum in another order, which moves logits by whole levels.
    np.testing.assert_allclose(loaded(images[:1]), loaded(images)[:1], atol=2.001 * 0.146457)


def test_variables_are_slims_and_none_is_trainable(loaded: Any, published: Network) -> None:
    assert {each.name for each in loaded.variables} == {each.name for each in published.variables}
    assert len(loaded.variables) == 249
    assert list(loaded.trainable_variables) == []
    assert list(loaded.regularization_losses) == []


def test_training_is_refused_with_an_alternative(loaded: Any, images: tf.Tensor) -> None:
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="imagebeam module train IMAGES --from"
    ):
        loaded(images, training=True)


def test_weights_can_be_read_back(exported: Path, published: Network) -> None:
    weights = read_module(exported)
    for variable in published.variables:
        np.testing.assert_array_equal(weights[variable.name.removesuffix(":0")], variable)


def test_metadata_is_written(exported: Path) -> None:
    text = (exported / "assets.extra" / "module.json").read_text(encoding="utf-8")
    assert json.loads(text) == {
        "format": "imagebeam-module/1",
        "image_size": [160, 160],
        "value_range": [0.0, 1.0],
        "classes": None,
        "quantops": True,
        "network": {
            "family": "mobilenet_v1",
            "width": 0.5,
            "size": 160,
            "class_count": 1001,
            "parameters": 1_343_049,
            "macs": 76_525_312,
            "input_quantised": False,
        },
        "provenance": {"checkpoint": "published"},
    }


def test_the_graph_is_stored_once(exported: Path) -> None:
    # Four signatures and two calls, each with its own copy, would need some 2.5 MB.
    assert (exported / "saved_model.pb").stat().st_size < 1_200_000


def test_class_names_are_kept_as_they_are(tmp_path: Path) -> None:
    names = ["Käse", "crane", "crane"]
    export_module(Network(SMALL), tmp_path / "module", classes=names)
    text = (tmp_path / "module/assets.extra/module.json").read_text(encoding="utf-8")
    assert json.loads(text)["classes"] == names
    assert "Käse" in text


def test_flatbuffer_is_put_beside_the_metadata(tmp_path: Path) -> None:
    def compiler(saved_model: Path, flatbuffer: Path) -> None:
        assert (saved_model / "saved_model.pb").exists()
        assert (saved_model / "assets.extra/module.json").exists()
        flatbuffer.write_bytes(b"compiled")

    export_module(Network(SMALL), tmp_path / "module", compiler=compiler)
    assert (tmp_path / "module/assets.extra/module.tflite").read_bytes() == b"compiled"
    assert [path.name for path in tmp_path.iterdir()] == ["module"]


def test_class_names_must_match(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="2 class names for 3 classes"):
        export_module(Network(SMALL), tmp_path / "module", classes=["a", "b"])
    assert list(tmp_path.iterdir()) == []


def test_existing_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "module").mkdir()
    with pytest.raises(NetworkError, match="module: exists already"):
        export_module(Network(SMALL), tmp_path / "module")


def test_failing_compiler_leaves_nothing(tmp_path: Path) -> None:
    def compiler(saved_model: Path, flatbuffer: Path) -> None:
        flatbuffer.write_bytes(b"half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        export_module(Network(SMALL), tmp_path / "module", compiler=compiler)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(NetworkError, match=r"module: cannot be written.*has free space"):
            export_module(Network(SMALL), tmp_path / "module")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
