from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.modules.input_ranges import Front
from imagebeam.modules.tensorflow.freezing import freeze
from imagebeam.modules.tensorflow.rescaling import NotRescaledError, cut_rescaling, front_of

_SHAPE = [None, 4, 4, 3]
_KERNEL = np.random.default_rng(0).normal(size=(3, 3, 3, 2)).astype(np.float32)


def _convolve(images: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(images, _KERNEL, 2, "SAME")


def _fake_quantise(images: tf.Tensor) -> tf.Tensor:
    return tf.quantization.fake_quant_with_min_max_args(images, -1.0, 1.0)


def _cut(
    rescale: Callable[[tf.Tensor], tf.Tensor], value_range: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float, tf.Graph, str, str]:
    spec = tf.TensorSpec(_SHAPE, tf.float32, name="images")
    frozen = freeze(lambda images: {"logits": _convolve(rescale(images))}, spec)
    graph_def = frozen.function.graph.as_graph_def()
    cut = cut_rescaling(graph_def, frozen.input_name, value_range, _SHAPE)
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(cut.graph, name="")
    return cut.low, cut.high, graph, cut.input_name, frozen.output_names[0]


@pytest.mark.parametrize(
    ("rescale", "value_range", "expected"),
    [
        (lambda x: x * 2.0 - 1.0, (0.0, 1.0), (-1.0, 1.0)),
        (lambda x: (x - 0.5) * 2.0, (0.0, 1.0), (-1.0, 1.0)),
        (lambda x: tf.add(-1.0, 2.0 * x), (0.0, 1.0), (-1.0, 1.0)),
        (lambda x: x / 127.5 - 1.0, (0.0, 255.0), (-1.0, 1.0)),
        (lambda x: 1.0 - (2.0 - x * 4.0), (0.0, 1.0), (-1.0, 3.0)),
        (lambda x: x, (-1.0, 1.0), (-1.0, 1.0)),
        (lambda x: _fake_quantise(x * 2.0 - 1.0), (0.0, 1.0), (-1.0, 1.0)),
        (lambda x: tf.identity(x) * tf.constant([[2.0]]), (0.0, 1.0), (0.0, 2.0)),
    ],
    ids=["v1", "shift first", "reversed", "division", "twice", "none", "fake", "shape"],
)
def test_the_new_input_takes_rescaled_pictures(
    rescale: Callable[[tf.Tensor], tf.Tensor],
    value_range: tuple[float, float],
    expected: tuple[float, float],
) -> None:
    low, high, graph, input_name, output_name = _cut(rescale, value_range)
    assert (low, high) == pytest.approx(expected)
    pictures = np.random.default_rng(1).uniform(-1, 1, (2, 4, 4, 3)).astype(np.float32)
    with tf.compat.v1.Session(graph=graph) as session:
        found = session.run(f"{output_name}:0", {f"{input_name}:0": pictures})
    np.testing.assert_allclose(found, _convolve(tf.constant(pictures)).numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    "rescale",
    [
        lambda x: tf.concat([x, x * 2.0], axis=0),
        lambda x: x * -1.0,
    ],
    ids=["two ranges", "negative"],
)
def test_other_fronts_are_refused(rescale: Callable[[tf.Tensor], tf.Tensor]) -> None:
    with pytest.raises(NotRescaledError, match="not rescaled to one range"):
        _cut(rescale)


_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_STD = np.array([58.395, 57.12, 57.375], np.float32)
_CAFFE = np.array([103.939, 116.779, 123.68], np.float32)
_TORCH = Front(True, (0.0, 255.0), channels="rgb")


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        (lambda x: x, Front()),
        (lambda x: x / 255.0, Front(True, (0.0, 255.0))),
        (lambda x: x * 2.0 - 1.0, Front(True, (0.0, 1.0))),
        (lambda x: (x - _MEAN) / _STD, Front(True, (0.0, 255.0), channels="rgb")),
        (lambda x: x - _CAFFE, Front(True, (0.0, 255.0), channels="bgr")),
        (lambda x: x[..., ::-1] - _CAFFE, Front(True, (0.0, 255.0))),
        (lambda x: tf.image.resize(x, [8, 8]) / 255.0, Front(True, (0.0, 255.0))),
        (
            lambda x: tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]]) / 255.0,
            Front(True, (0.0, 255.0)),
        ),
        (lambda x: x * 3.0, Front(True)),
        (lambda x: (x - [100.0, 90, 80]) / [45.0, 44, 43], Front(True, (0.0, 255.0))),
        (lambda x: (x - [0.3, 0.35, 0.4]) / [0.18, 0.19, 0.2], Front(True, (0.0, 1.0))),
        (lambda x: (x - [0.15, 0.15, 0.15]) / 0.3, Front(True)),
        (lambda x: (x - 1000.0) / 50.0, Front(True)),
        (lambda x: tf.nn.batch_normalization(x, _MEAN, _STD**2, None, None, 0.0), _TORCH),
        (lambda x: (x - _MEAN) / tf.maximum(tf.sqrt(_STD**2), 1e-7), _TORCH),
    ],
)
def test_the_front_of_a_graph_shows_the_range(front: Any, expected: Front) -> None:
    def network(pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        kernel = tf.ones([1, 1, 3, 2])
        return {"it": tf.nn.conv2d(front(pictures), kernel, 1, "SAME")}

    frozen = freeze(network, tf.TensorSpec([1, 16, 16, 3], tf.float32))
    assert front_of(frozen.function.graph.as_graph_def(), frozen.input_name) == expected
