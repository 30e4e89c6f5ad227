"""Freeze functions of a SavedModel to one graph of constants. Needs TensorFlow.

`convert_variables_to_constants_v2` is not in TensorFlow's public interface. The public function in
`tf.compat.v1.graph_util` needs a session and cannot freeze functions of TensorFlow 2, and
`tf.lite.TFLiteConverter` returns a flatbuffer instead of a graph that can be rescaled. A release
without it behaves as if no module could be frozen: modules then run with TensorFlow as they are.
`tests/modules/tensorflow/test_freezing.py` checks that the function exists.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

try:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
except ImportError:
    convert_variables_to_constants_v2 = None

Infer = Callable[[tf.Tensor], dict[str, tf.Tensor]]


class NotFreezableError(ValueError):
    """A function holds resources other than variables, or TensorFlow cannot freeze any."""


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


def freeze(
    infer: Infer, spec: tf.TensorSpec, convert: Any = convert_variables_to_constants_v2
) -> Frozen:
    """Trace `infer` for an input of `spec` and freeze it.

    Args:
        infer: computes the heads of a batch.
        convert: freezes a function; None if TensorFlow has no function for it.

    Raises:
        NotFreezableError: it holds resources that cannot become constants.
    """
    if convert is None:
        raise NotFreezableError(f"TensorFlow {tf.__version__} has no function to freeze it")
    function = tf.function(infer, input_signature=[spec]).get_concrete_function()
    # The converter does not read the control flow of TensorFlow 1, which lowering produces.
    frozen = convert(function, lower_control_flow=False)
    if len(frozen.inputs) != 1:
        kept = ", ".join(tensor.op.type for tensor in function.graph.internal_captures)
        raise NotFreezableError(f"it holds resources that are not variables ({kept})")
    # TensorFlow orders the values of a dictionary by key.
    return Frozen(frozen, tuple(sorted(function.structured_outputs)))
