"""Test the one private function of TensorFlow that `imagebeam.modules` uses."""

import inspect

import numpy as np
import pytest
import tensorflow as tf

from imagebeam.modules.tensorflow.freezing import NotFreezableError, freeze

_SPEC = tf.TensorSpec([2], tf.float32)


def test_tensorflow_has_the_function_that_freezes() -> None:
    convert = inspect.signature(freeze).parameters["convert"].default
    assert [*inspect.signature(convert).parameters][:2] == ["func", "lower_control_flow"]


def test_variables_become_constants() -> None:
    variable = tf.Variable(3.0)
    frozen = freeze(lambda values: {"scaled": values * variable}, _SPEC)
    variable.assign(5.0)
    np.testing.assert_array_equal(frozen(tf.constant([1.0, 2.0]))["scaled"], [3.0, 6.0])


def test_a_tensorflow_without_the_function_freezes_nothing() -> None:
    with pytest.raises(NotFreezableError, match="has no function to freeze it"):
        freeze(lambda values: {"same": values}, _SPEC, convert=None)
