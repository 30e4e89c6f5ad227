"""Read the graph of an ONNX file: what it does first, how it ends, and the names in it."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.modules.errors import ModuleError, reason_of
from imagebeam.modules.input_ranges import Front, Range, front_of_rescaling
from imagebeam.modules.probes import PERCENT, POOLING, SIGMOID, SOFTMAX
from imagebeam.modules.several_outputs import (
    BIAS,
    DENSE,
    FORM,
    SCORING,
    SeenOutput,
    SeenOutputs,
    Step,
)

_Values = npt.NDArray[np.float64]

_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Div": np.divide,
    "Mul": np.multiply,
    "Sub": np.subtract,
}
_REVERSING = ("Slice", "Gather")
_FORM = ("Cast", "Identity", "Reshape", "Squeeze", "Flatten", "QuantizeLinear", "DequantizeLinear")
_TRANSPARENT = (
    *("Cast", "Identity", "Reshape", "Transpose", "Unsqueeze", "Resize", "Pad", "DequantizeLinear"),
    *_REVERSING,
)
_SCORES = {"Sigmoid": SIGMOID, "HardSigmoid": SIGMOID, "Softmax": SOFTMAX}
_ROLES = {
    **dict.fromkeys((*_FORM, "Dropout"), FORM),
    **dict.fromkeys(_SCORES, SCORING),
    **dict.fromkeys(("Gemm", "MatMul", "Conv"), DENSE),
}
_POOLING = (
    *("GlobalAveragePool", "GlobalMaxPool", "AveragePool", "MaxPool", "ReduceMean", "ReduceMax"),
    *("Relu", "Tanh", "Elu", "LeakyRelu", "HardSwish", "Gelu", "LpNormalization"),
)


class Graph:
    """The graph of one file.

    Attributes:
        changed: the file to run instead, whose outputs are tensors; None if they already are.
        classes: the names that the graph itself gives to classes; None if it gives none.
        has_sigmoids: whether there are sigmoids anywhere.
    """

    def __init__(self, model: Any) -> None:
        self.classes = _without_zip_map(model.graph)
        self.changed = None if self.classes is None else model.SerializeToString()
        self._nodes = model.graph.node
        self._producers = {output: node for node in self._nodes for output in node.output}
        self._weights = {each.name: each for each in model.graph.initializer}
        self.has_sigmoids = any(_SCORES.get(each.op_type) == SIGMOID for each in self._nodes)

    def names(self) -> Iterator[str]:
        """Yield the names of all operations, their results and the weights."""
        yield from (each.name for each in self._nodes)
        yield from self._producers
        yield from self._weights

    def front(self, name: str) -> Front:
        """Return what the first operations do with the pictures in the input `name`."""
        steps: list[Callable[[_Values], _Values]] = []
        limits: Range | None = None
        reverses = False
        while len(users := [each for each in self._nodes if name in each.input]) == 1:
            [user] = users
            if (step := self._step(user, name)) is not None:
                steps.append(step)
            elif user.op_type == "QuantizeLinear":
                limits = limits or (None if steps else self._limits(user))
            elif user.op_type not in _TRANSPARENT or user.input[0] != name:
                break
            reverses |= user.op_type in _REVERSING
            name = user.output[0]
        if not steps:
            return Front(limits=limits)

        def rescale(value: float) -> _Values:
            values = np.full(3, value)
            for step in steps:
                values = step(values)
            return values

        return front_of_rescaling(rescale, reverses, limits)

    def _step(self, node: Any, name: str) -> Callable[[_Values], _Values] | None:
        """Return the arithmetic with a constant that a node does; None for others."""
        if node.op_type == "BatchNormalization":
            return self._normalisation(node)
        if node.op_type not in _ARITHMETIC:
            return None
        apply, (first, second) = _ARITHMETIC[node.op_type], node.input
        constant = self._constant(second if first == name else first)
        if constant is None or constant.size not in (1, 3):
            return None
        other = constant.ravel().astype(np.float64)
        if first == name:
            return lambda pictures: apply(pictures, other)
        return lambda pictures: apply(other, pictures)

    def _normalisation(self, node: Any) -> Callable[[_Values], _Values] | None:
        """Return what a batch normalisation does with pictures; None without its constants."""
        constants = [self._constant(each) for each in node.input[1:5]]
        found = [each.astype(np.float64) for each in constants if each is not None]
        if len(found) != 4 or found[0].size != 3:
            return None
        scale, shift, mean, variance = found
        epsilon = next((each.f for each in node.attribute if each.name == "epsilon"), 1e-5)
        return lambda pictures: (pictures - mean) / np.sqrt(variance + epsilon) * scale + shift

    def _limits(self, node: Any) -> Range | None:
        """Return the lowest and the highest value that a quantisation lets through."""
        scale, zero_point = (self._constant(each) for each in [*node.input, "", ""][1:3])
        if scale is None or zero_point is None or scale.size != 1 or zero_point.size != 1:
            return None
        integers = np.iinfo(zero_point.dtype)
        low, high = (
            (limit - int(zero_point.item())) * float(scale.item())
            for limit in (integers.min, integers.max)
        )
        return low, high

    def end(self, name: str, joins: bool = True) -> str | None:
        """Return how the network ends before the output `name`, see `probes`."""
        node = self._before_form(name)
        if node is None:
            return None
        if node.op_type == "Concat" and joins:
            ends = {self.end(each, joins=False) for each in node.input}
            return ends.pop() if len(ends) == 1 else None
        if node.op_type in ("Mul", "Div"):
            for tensor, factor in (node.input, node.input[::-1]):
                values, before = self._constant(factor), self._before_form(tensor)
                if values is None or before is None:
                    continue
                factors = values if node.op_type == "Mul" else 1 / values
                if np.allclose(factors, 100):
                    return PERCENT if before.op_type in _SCORES else None
                if np.allclose(factors, 1 / 6) and self._limits_to(before, 6):
                    return SIGMOID
        if self._limits_to(node, 1):
            return SIGMOID
        return _SCORES.get(node.op_type) or (POOLING if node.op_type in _POOLING else None)

    def seen(self, outputs: Sequence[str]) -> SeenOutputs:
        """Return what the outputs of these names are."""
        by_name = {each: SeenOutput(each, self.end(each)) for each in outputs}
        return SeenOutputs(by_name, self._step_back)

    def _step_back(self, tensor: Hashable) -> Step | None:
        node = self._producers.get(str(tensor))
        if node is None:
            return None
        if node.op_type == "Add":
            changing = [each for each in node.input if self._constant(each) is None]
            return (BIAS, changing[0]) if len(changing) == 1 else None
        return (_ROLES[node.op_type], node.input[0]) if node.op_type in _ROLES else None

    def _limits_to(self, node: Any, most: float) -> bool:
        """Return whether a node limits its values to those from 0 to `most`."""
        if node.op_type != "Clip":
            return False
        attributes = {each.name: each.f for each in node.attribute}
        names = [*node.input[1:], "", ""]
        limits = [
            attributes.get(kind) if (value := self._constant(name)) is None else float(value)
            for kind, name in zip(("min", "max"), names[:2], strict=True)
        ]
        return limits == [0, most]

    def _before_form(self, name: str) -> Any:
        """Return the operation whose result has this name, or is that in another form."""
        while (node := self._producers.get(name)) is not None and node.op_type in _FORM:
            name = node.input[0]
        return node

    def _constant(self, name: str) -> npt.NDArray[Any] | None:
        from onnx import numpy_helper

        if (weight := self._weights.get(name)) is not None:
            return np.asarray(numpy_helper.to_array(weight))
        node = self._producers.get(name)
        if node is None or node.op_type != "Constant":
            return None
        [value] = node.attribute
        return np.asarray(numpy_helper.to_array(value.t) if value.name == "value" else value.f)


def read_graph(content: bytes, source: str) -> Graph:
    """Read the graph of an ONNX file; `source` names it in errors.

    Raises:
        ModuleError: it is damaged, or its weights are in other files.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError) as error:
        raise ModuleError(
            f"{source}: not an ONNX file that can be read ({reason_of(error)}). Export it again."
        ) from error
    outside = {
        entry.value
        for each in model.graph.initializer
        if each.data_location == onnx.TensorProto.EXTERNAL
        for entry in each.external_data
        if entry.key == "location"
    }
    if outside:
        name = PurePath(source.strip("'\"")).name
        raise ModuleError(
            f"{source}: its weights are in {', '.join(sorted(outside))}, and workers get one file. "
            f'Write one with onnx.save(onnx.load("{name}"), "one.onnx").'
        )
    return Graph(model)


def _without_zip_map(graph: Any) -> tuple[str, ...] | None:
    """Replace a dictionary of scores by their tensor; return the names of its classes.

    Converters for Windows ML and scikit-learn write such outputs, which no engine reads.
    """
    from onnx import TensorProto, helper

    for node in graph.node:
        if node.op_type == "ZipMap":
            names = next(each for each in node.attribute if each.name.startswith("classlabels"))
            classes = [each.decode("utf-8", "replace") for each in names.strings]
            classes = classes or [str(each) for each in names.ints]
            for output in graph.output:
                if output.name == node.output[0]:
                    shape = [None, len(classes)]
                    output.CopyFrom(
                        helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, shape)
                    )
            graph.node.remove(node)
            return tuple(classes)
    return None
