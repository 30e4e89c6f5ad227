"""Freeze functions of a SavedModel to one graph of constants. Needs TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

Infer = Callable[[tf.Tensor], dict[str, tf.Tensor]]


class NotFreezableError(ValueError):
    """A function holds resources other than variables, for example lookup tables."""


@dataclass(frozen=True)
class Frozen:
    """A function whose variables have become constants.

    Attributes:
        function: a ConcreteFunction of one tensor.
        heads: the names of its outputs, in their order.
    """

    function: Any
    heads: tuple[str, ...]

    @property
    def input_name(self) -> str:
        """Return the name of the placeholder in its graph."""
        return str(self.function.inputs[0].op.name)

    @property
    def output_names(self) -> list[str]:
        """Return the names of the operations that compute the heads."""
        return [tensor.op.name for tensor in self.function.outputs]

    def __call__(self, tensor: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute each head."""
        return dict(zip(self.heads, self.function(tensor), strict=True))


def freeze(infer: Infer, spec: tf.TensorSpec) -> Frozen:
    """Trace `infer` for an input of `spec` and freeze it.

    Raises:
        NotFreezableError: it holds resources that cannot become constants.
    """
    function = tf.function(infer, input_signature=[spec]).get_concrete_function()
    # The converter does not read the control flow of TensorFlow 1, which lowering produces.
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    if len(frozen.inputs) != 1:
        kept = ", ".join(tensor.op.type for tensor in function.graph.internal_captures)
        raise NotFreezableError(f"it holds resources that are not variables ({kept})")
    # TensorFlow orders the values of a dictionary by key.
    return Frozen(frozen, tuple(sorted(function.structured_outputs)))
