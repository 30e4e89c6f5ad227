"""Turns the functions of a SavedModel into one graph of constants. Needs TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

Answer = Callable[[tf.Tensor], dict[str, tf.Tensor]]


class NotFreezableError(ValueError):
    """A function that holds more than variables, lookup tables for instance."""


@dataclass(frozen=True)
class Frozen:
    """A function whose variables have become constants.

    Attributes:
        function: a ConcreteFunction of one tensor.
        heads: what its outputs are, in their order.
    """

    function: Any
    heads: tuple[str, ...]

    @property
    def input_name(self) -> str:
        """The placeholder in its graph."""
        return str(self.function.inputs[0].op.name)

    @property
    def output_names(self) -> list[str]:
        """The operations in its graph that give the heads."""
        return [tensor.op.name for tensor in self.function.outputs]

    def __call__(self, tensor: tf.Tensor) -> dict[str, tf.Tensor]:
        """The answer of each head."""
        return dict(zip(self.heads, self.function(tensor), strict=True))


def freeze(answer: Answer, spec: tf.TensorSpec) -> Frozen:
    """Trace `answer` for an input of `spec` and freeze it.

    Raises:
        NotFreezableError: it holds resources that have no constant form.
    """
    function = tf.function(answer, input_signature=[spec]).get_concrete_function()
    # Lowered control flow is that of TensorFlow 1, which the converter does not read.
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    if len(frozen.inputs) != 1:
        kept = ", ".join(tensor.op.type for tensor in function.graph.internal_captures)
        raise NotFreezableError(f"it holds resources that are no variables ({kept})")
    # TensorFlow orders the values of a dictionary by key.
    return Frozen(frozen, tuple(sorted(function.structured_outputs)))
