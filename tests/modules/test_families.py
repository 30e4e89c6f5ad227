import pytest

from imagebeam.modules.families import facts_of_family
from imagebeam.modules.input_ranges import InputFacts

_SYMMETRIC = (((-1.0, 1.0),), "rgb")


def _facts(*names: str) -> tuple[object, str | None] | None:
    found: InputFacts | None = facts_of_family(names)
    return None if found is None else (found.ranges, found.channels)


@pytest.mark.parametrize(
    "name",
    [
        "MobilenetV1/MobilenetV1/Conv2d_0/Relu6",
        "functional_1/mobilenet_1.00_224_1/conv1/Conv2D;functional_1/conv1_bn",
        "model/mobilenetv2_0.35_96/Conv1/Conv2D",
        "StatefulPartitionedCall/functional_1/conv_pw_13_1/convolution",
        "InceptionV3/Conv2d_1a_3x3",
    ],
)
def test_families_with_symmetric_input_are_known(name: str) -> None:
    assert _facts(name, "other") == _SYMMETRIC


def test_both_versions_of_resnet_are_told_apart() -> None:
    first = _facts("model/conv2_block1_0_conv/Conv2D")
    assert first is not None
    ranges, channels = first
    assert channels == "bgr"
    assert ranges == (
        (-103.939, 255 - 103.939),
        (-116.779, 255 - 116.779),
        (-123.68, 255 - 123.68),
    )
    second = _facts("model/conv2_block1_0_conv/Conv2D", "model/conv2_block1_preact_bn/mul")
    assert second == _SYMMETRIC


def test_other_names_show_no_family() -> None:
    assert _facts("sequential/conv2d/Conv2D", "dense/MatMul", "my_mobilenet/x") is None
