"""Read the graph of an ONNX file: what it does first, how it ends, and the names in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.modules.errors import ModuleError, reason_of
from imagebeam.modules.input_ranges import Front, Range, front_of_rescaling
from imagebeam.modules.probes import POOLING, SIGMOID, SOFTMAX

_Values = npt.NDArray[np.float64]
_Step = Callable[[_Values], _Values]

_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "Add": lambda a, b: a + b,
    "Div": lambda a, b: a / b,
    "Mul": lambda a, b: a * b,
    "Sub": lambda a, b: a - b,
}
_REVERSING = ("Slice", "Gather")
_TRANSPARENT = (
    *("Cast", "Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Resize", "Upsample"),
    *("Pad", "DequantizeLinear", *_REVERSING),
)
_FORM = ("Cast", "Identity", "Reshape", "Squeeze", "Flatten", "QuantizeLinear", "DequantizeLinear")
_ENDS = {"Sigmoid": SIGMOID, "HardSigmoid": SIGMOID, "Softmax": SOFTMAX}
_POOLING = (
    *("GlobalAveragePool", "GlobalMaxPool", "AveragePool", "MaxPool", "ReduceMean", "ReduceMax"),
    *("Relu", "Tanh", "Elu", "LeakyRelu", "HardSwish", "Gelu", "LpNormalization", "ReduceL2"),
)
_ZIP_MAP = "ZipMap"


@dataclass(frozen=True)
class Graph:
    """The graph of one file.

    Attributes:
        content: the file to run: itself, or a copy whose outputs are tensors.
        classes: the names that the graph itself gives to classes; None if it gives none.
    """

    content: bytes
    classes: tuple[str, ...] | None
    _graph: Any

    def front(self, name: str) -> Front:
        """Return what the first operations do with the pictures in the input `name`."""
        steps: list[_Step] = []
        limits: Range | None = None
        reverses = False
        while len(users := [each for each in self._graph.node if name in each.input]) == 1:
            [user] = users
            step = self._step(user, name)
            if step is not None:
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

    def end(self, name: str) -> str | None:
        """Tell if the output `name` comes from sigmoids, a softmax or a pooling."""
        producers = {output: node for node in self._graph.node for output in node.output}
        while (node := producers.get(name)) is not None:
            made = [each for each in node.input if self._constant(each) is None]
            scales = node.op_type in ("Mul", "Div") and len(made) == 1
            if not scales and node.op_type not in _FORM:
                return _ENDS.get(node.op_type) or (POOLING if node.op_type in _POOLING else None)
            name = made[0] if scales else node.input[0]
        return None

    @property
    def has_sigmoids(self) -> bool:
        """Tell if there is a sigmoid anywhere."""
        return any(node.op_type in ("Sigmoid", "HardSigmoid") for node in self._graph.node)

    @property
    def names(self) -> Iterator[str]:
        """Yield the names of all operations, their results and the weights."""
        for node in self._graph.node:
            yield from (node.name, *node.output)
        yield from (each.name for each in self._graph.initializer)

    def _step(self, node: Any, name: str) -> _Step | None:
        """Return the arithmetic with constants that a node does; None for others."""
        constants = [self._constant(each) for each in node.input if each != name]
        if any(each is None or each.size not in (1, 3) for each in constants):
            return None
        values = [each.ravel() for each in constants if each is not None]
        if node.op_type in _ARITHMETIC and len(values) == 1:
            apply, [other] = _ARITHMETIC[node.op_type], values
            if node.input[0] == name:
                return lambda pictures: apply(pictures, other)
            return lambda pictures: apply(other, pictures)
        if node.op_type == "BatchNormalization" and len(values) == 4:
            scale, bias, mean, variance = values
            return lambda pictures: (pictures - mean) / np.sqrt(variance + 1e-5) * scale + bias
        return None

    def _limits(self, node: Any) -> Range | None:
        scale, zero_point = (self._constant(each) for each in [*node.input, "", ""][1:3])
        if scale is None or zero_point is None or scale.size != 1:
            return None
        integers = np.iinfo(zero_point.dtype)
        low, high = (
            float((limit - float(zero_point)) * float(scale))
            for limit in (integers.min, integers.max)
        )
        return low, high

    def _constant(self, name: str) -> npt.NDArray[Any] | None:
        from onnx import numpy_helper

        for each in self._graph.initializer:
            if each.name == name:
                return np.asarray(numpy_helper.to_array(each))
        for node in self._graph.node:
            if name in node.output and node.op_type == "Constant":
                [value] = node.attribute
                tensor = numpy_helper.to_array(value.t) if value.name == "value" else None
                return np.asarray(tensor if tensor is not None else value.f or [*value.floats])
        return None


def read_graph(path: Path, source: str) -> Graph:
    """Read the graph of an ONNX file; `source` names it in errors.

    Raises:
        ModuleError: it is damaged, or its weights are in other files.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
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
        raise ModuleError(
            f"{source}: its weights are in {', '.join(sorted(outside))}, and workers get one file. "
            f'Write one with onnx.save(onnx.load("{path.name}"), "one.onnx").'
        )
    classes = _without_zip_map(model)
    changed = classes is not None
    content = model.SerializeToString() if changed else path.read_bytes()
    return Graph(content, classes, model.graph)


def _without_zip_map(model: Any) -> tuple[str, ...] | None:
    """Replace a dictionary of scores by their tensor; return the names of its classes.

    Converters for Windows ML and scikit-learn write such outputs, which no engine reads.
    """
    graph = model.graph
    for node in graph.node:
        if node.op_type != _ZIP_MAP:
            continue
        [output] = (each for each in graph.output if each.name == node.output[0])
        output.name = node.input[0]
        names = next(each for each in node.attribute if each.name.startswith("classlabels"))
        count = len(names.strings) or len(names.ints)
        import onnx

        kind = onnx.TensorProto.FLOAT
        output.type.CopyFrom(onnx.helper.make_tensor_type_proto(kind, [None, count]))
        graph.node.remove(node)
        return tuple(each.decode() for each in names.strings) or tuple(map(str, names.ints))
    return None
