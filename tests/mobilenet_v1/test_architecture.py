"""Test the table of layers against the publication and Keras's MobileNet."""

import pytest

from imagebeam.mobilenet_v1 import Architecture, NetworkError
from imagebeam.mobilenet_v1.architecture import SIZES, WIDTHS

# Name, stride, output shape, kernel shape, weights, multiply-accumulates: slim's 0.5/160.
_LAYERS_050_160 = [
    ("Conv2d_0", 2, (80, 80, 16), (3, 3, 3, 16), 432, 2_764_800),
    ("Conv2d_1_depthwise", 1, (80, 80, 16), (3, 3, 16, 1), 144, 921_600),
    ("Conv2d_1_pointwise", 1, (80, 80, 32), (1, 1, 16, 32), 512, 3_276_800),
    ("Conv2d_2_depthwise", 2, (40, 40, 32), (3, 3, 32, 1), 288, 460_800),
    ("Conv2d_2_pointwise", 1, (40, 40, 64), (1, 1, 32, 64), 2_048, 3_276_800),
    ("Conv2d_3_depthwise", 1, (40, 40, 64), (3, 3, 64, 1), 576, 921_600),
    ("Conv2d_3_pointwise", 1, (40, 40, 64), (1, 1, 64, 64), 4_096, 6_553_600),
    ("Conv2d_4_depthwise", 2, (20, 20, 64), (3, 3, 64, 1), 576, 230_400),
    ("Conv2d_4_pointwise", 1, (20, 20, 128), (1, 1, 64, 128), 8_192, 3_276_800),
    ("Conv2d_5_depthwise", 1, (20, 20, 128), (3, 3, 128, 1), 1_152, 460_800),
    ("Conv2d_5_pointwise", 1, (20, 20, 128), (1, 1, 128, 128), 16_384, 6_553_600),
    ("Conv2d_6_depthwise", 2, (10, 10, 128), (3, 3, 128, 1), 1_152, 115_200),
    ("Conv2d_6_pointwise", 1, (10, 10, 256), (1, 1, 128, 256), 32_768, 3_276_800),
    ("Conv2d_7_depthwise", 1, (10, 10, 256), (3, 3, 256, 1), 2_304, 230_400),
    ("Conv2d_7_pointwise", 1, (10, 10, 256), (1, 1, 256, 256), 65_536, 6_553_600),
    ("Conv2d_8_depthwise", 1, (10, 10, 256), (3, 3, 256, 1), 2_304, 230_400),
    ("Conv2d_8_pointwise", 1, (10, 10, 256), (1, 1, 256, 256), 65_536, 6_553_600),
    ("Conv2d_9_depthwise", 1, (10, 10, 256), (3, 3, 256, 1), 2_304, 230_400),
    ("Conv2d_9_pointwise", 1, (10, 10, 256), (1, 1, 256, 256), 65_536, 6_553_600),
    ("Conv2d_10_depthwise", 1, (10, 10, 256), (3, 3, 256, 1), 2_304, 230_400),
    ("Conv2d_10_pointwise", 1, (10, 10, 256), (1, 1, 256, 256), 65_536, 6_553_600),
    ("Conv2d_11_depthwise", 1, (10, 10, 256), (3, 3, 256, 1), 2_304, 230_400),
    ("Conv2d_11_pointwise", 1, (10, 10, 256), (1, 1, 256, 256), 65_536, 6_553_600),
    ("Conv2d_12_depthwise", 2, (5, 5, 256), (3, 3, 256, 1), 2_304, 57_600),
    ("Conv2d_12_pointwise", 1, (5, 5, 512), (1, 1, 256, 512), 131_072, 3_276_800),
    ("Conv2d_13_depthwise", 1, (5, 5, 512), (3, 3, 512, 1), 4_608, 115_200),
    ("Conv2d_13_pointwise", 1, (5, 5, 512), (1, 1, 512, 512), 262_144, 6_553_600),
    ("Logits/Conv2d_1c_1x1", 1, (1, 1, 1001), (1, 1, 512, 1001), 512_512, 512_512),
]

# Million multiply-accumulates, from the table in slim's nets/mobilenet_v1.md. Its rows for 0.75
# are 2.6 % lower than its own network needs, and its 34 for 0.25/192 is out of line with its 41
# and 21 for the sizes around it; the paper (arXiv:1704.04861, table 6) has 325 for 0.75/224.
_MILLION_MACS = {
    (1.0, 224): 569,
    (1.0, 192): 418,
    (1.0, 160): 291,
    (1.0, 128): 186,
    (0.75, 224): 325,
    (0.5, 224): 150,
    (0.5, 192): 110,
    (0.5, 160): 77,
    (0.5, 128): 49,
    (0.25, 224): 41,
    (0.25, 160): 21,
    (0.25, 128): 14,
}


def test_every_layer_of_050_160_is_as_published() -> None:
    assert [
        (
            layer.name,
            layer.stride,
            layer.output_shape,
            layer.weights_shape,
            layer.weights,
            layer.macs,
        )
        for layer in Architecture(0.5, 160).layers
    ] == _LAYERS_050_160


def test_every_layer_reads_the_output_of_the_previous_one() -> None:
    layers = Architecture(0.25, 224).layers[:-1]
    outputs = [(224, 224, 3), *(layer.output_shape for layer in layers)]
    assert [layer.input_shape for layer in layers] == outputs[:-1]


def test_totals_of_050_160_are_as_published() -> None:
    architecture = Architecture(0.5, 160)
    assert architecture.parameters == 1_343_049
    assert architecture.trainable_parameters == 1_332_105
    assert architecture.folded_parameters == 1_326_633
    assert architecture.macs == 76_525_312
    assert architecture.feature_length == 512


@pytest.mark.parametrize(("member", "millions"), _MILLION_MACS.items())
def test_multiply_accumulates_are_the_published_ones(
    member: tuple[float, int], millions: int
) -> None:
    assert round(Architecture(*member).macs / 1e6) == pytest.approx(millions, abs=1)


def test_the_count_without_the_last_layer_is_slims() -> None:
    # slim's test of its base network counts kernels and three values of batch norm for every
    # channel, because slim.batch_norm has no scale by default.
    layers = Architecture(1.0, 224).layers[:-1]
    assert sum(layer.weights + 3 * layer.output_shape[2] for layer in layers) == 3_217_920


def test_all_sixteen_members_scale_with_their_size() -> None:
    for width in WIDTHS:
        convolutions = {
            size: Architecture(width, size).macs - Architecture(width, size).layers[-1].macs
            for size in SIZES
        }
        assert {macs / size**2 for size, macs in convolutions.items()} == {
            convolutions[128] / 128**2
        }


def test_the_narrowest_layers_keep_eight_channels() -> None:
    depths = [layer.output_shape[2] for layer in Architecture(0.1, 128).layers[:4]]
    assert depths == [8, 8, 8, 8]


@pytest.mark.parametrize("width", [0, -0.5, 1.5])
def test_width_out_of_range_is_refused(width: float) -> None:
    with pytest.raises(NetworkError, match=f"width {width}: must be above 0 and at most 1"):
        Architecture(width, 160)


@pytest.mark.parametrize("size", [0, 16, 100, 256])
def test_size_that_does_not_pool_to_one_is_refused(size: int) -> None:
    with pytest.raises(NetworkError, match=f"size {size}: must be a multiple of 32 from 32 to 224"):
        Architecture(0.5, size)


def test_single_class_is_refused() -> None:
    with pytest.raises(NetworkError, match="1 classes: a classifier needs at least 2"):
        Architecture(0.5, 160, class_count=1)
