"""Test reading and writing weights: the published checkpoint and module, and refusals."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.mobilenet_v1 import Architecture, NetworkError
from imagebeam.mobilenet_v1.checkpoint import (
    Weights,
    class_count_of,
    load_weights,
    quantization_of,
    read_checkpoint,
    read_module,
    transfer_weights,
    width_of,
)
from imagebeam.mobilenet_v1.network import Network
from tests.mobilenet_v1.conftest import CHECKPOINT

SMALL = Architecture(0.25, 32, 3)


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, np.ndarray]:
    """Return the weights of a small network, read from a checkpoint."""
    variables = Network(SMALL, seed=1).variables
    names = [variable.name.removesuffix(":0") for variable in variables]
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "small.ckpt"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[variable.value() for variable in variables],
    )
    return dict(read_checkpoint(tmp_path / "small.ckpt"))


def test_checkpoint_returns_what_was_written(weights: dict[str, np.ndarray]) -> None:
    network, expected = Network(SMALL, seed=2), Network(SMALL, seed=1)
    load_weights(network, weights)
    for variable, original in zip(network.variables, expected.variables, strict=True):
        np.testing.assert_array_equal(variable, original, err_msg=variable.name)


def test_module_of_the_original_tools_holds_the_weights_of_its_checkpoint(
    reference: Path, published_weights: Weights
) -> None:
    module = read_module(reference / "module")
    assert module.keys() == published_weights.keys()
    for name, value in module.items():
        np.testing.assert_array_equal(value, published_weights[name], err_msg=name)


def test_width_and_classes_are_read_from_the_weights(published_weights: Weights) -> None:
    assert (width_of(published_weights), class_count_of(published_weights)) == (0.5, 1001)


def test_the_shape_of_ranges_tells_the_integers(weights: dict[str, np.ndarray]) -> None:
    floats = {name: value for name, value in weights.items() if "_quant/" not in name}
    signed = {
        variable.name.removesuffix(":0"): variable.numpy()
        for variable in Network(SMALL, quantization="int8").variables
    }
    assert signed.keys() == weights.keys()
    forms = [quantization_of(each) for each in (weights, floats, signed)]
    assert forms == ["uint8", "uint8", "int8"]


def test_training_variables_are_ignored(weights: dict[str, np.ndarray]) -> None:
    weights["MobilenetV1/Conv2d_0/weights/RMSProp"] = np.zeros(3)
    scope = "MobilenetV1/MobilenetV1/Conv2d_0/act_quant"
    weights[f"{scope}/{scope}/min/biased"] = np.zeros(())
    load_weights(Network(SMALL), weights)


def test_missing_variable_is_reported(weights: dict[str, np.ndarray]) -> None:
    del weights["MobilenetV1/Conv2d_3_pointwise/BatchNorm/gamma"]
    with pytest.raises(
        NetworkError,
        match=r"no variable MobilenetV1/Conv2d_3_pointwise/BatchNorm/gamma\. "
        "The weights are of another network",
    ):
        load_weights(Network(SMALL), weights)


def test_float_checkpoint_is_refused_with_a_hint_to_training(
    weights: dict[str, np.ndarray],
) -> None:
    floats = {name: value for name, value in weights.items() if "_quant/" not in name}
    with pytest.raises(NetworkError, match=r"and 109 more\. These are float weights: learn"):
        load_weights(Network(SMALL), floats)


def test_other_width_is_reported(published_weights: Weights) -> None:
    with pytest.raises(
        NetworkError,
        match=r"Conv2d_0/BatchNorm/\w+ is \(16,\), not \(8,\).* "
        r"The weights are of width 0\.5 with 1001 classes",
    ):
        load_weights(Network(Architecture(0.25, 160)), published_weights)


def test_other_class_count_is_reported(published_weights: Weights) -> None:
    with pytest.raises(NetworkError, match=r"biases is \(1001,\), not \(10,\)"):
        load_weights(Network(Architecture(0.5, 160, 10)), published_weights)


def test_missing_checkpoint_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"nothing\.ckpt: not a readable checkpoint"):
        read_checkpoint(tmp_path / "nothing.ckpt")


def test_damaged_checkpoint_is_reported(reference: Path, tmp_path: Path) -> None:
    for file in (reference / CHECKPOINT).parent.iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    data = tmp_path / f"{Path(CHECKPOINT).name}.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100_000])
    with pytest.raises(NetworkError, match="not a readable checkpoint"):
        read_checkpoint(tmp_path / Path(CHECKPOINT).name)


def test_checkpoint_of_another_family_is_reported(tmp_path: Path) -> None:
    import tensorflow as tf

    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "other"),
        tensor_names=["resnet/weights"],
        shape_and_slices=[""],
        tensors=[tf.zeros(3)],
    )
    with pytest.raises(NetworkError, match="these are not MobileNet V1 weights"):
        read_checkpoint(tmp_path / "other")


def test_folder_without_a_module_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="not a readable module with variables"):
        read_module(tmp_path)


def test_transfer_to_other_classes_drops_the_last_layer(published_weights: Weights) -> None:
    network = Network(Architecture(0.5, 160, 7), seed=4)
    untouched = network.logits.weights.numpy()
    assert not transfer_weights(network, published_weights)
    np.testing.assert_array_equal(network.logits.weights, untouched)
    np.testing.assert_array_equal(
        network.body[5].weights,
        published_weights["MobilenetV1/Conv2d_3_depthwise/depthwise_weights"],
    )


def test_transfer_to_as_many_classes_keeps_the_last_layer(weights: dict[str, np.ndarray]) -> None:
    network = Network(SMALL, seed=4)
    assert transfer_weights(network, weights)
    expected = weights["MobilenetV1/Logits/Conv2d_1c_1x1/weights"]
    np.testing.assert_array_equal(network.logits.weights, expected)


def test_transfer_needs_no_ranges_but_the_same_width(weights: dict[str, np.ndarray]) -> None:
    floats = {name: value for name, value in weights.items() if "_quant/" not in name}
    transfer_weights(Network(SMALL), floats)
    with pytest.raises(NetworkError, match=r"The weights are of width 0\.25"):
        transfer_weights(Network(Architecture(0.5, 32, 3)), floats)
