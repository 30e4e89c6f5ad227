"""Small flatbuffers, built with LiteRT's schema alone: the output is the input."""

import struct
from dataclasses import dataclass
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

FLOAT32, UINT8, INT8 = (
    schema.TensorType.FLOAT32,
    schema.TensorType.UINT8,
    schema.TensorType.INT8,
)


@dataclass(frozen=True)
class Quantisation:
    scale: float
    zero_point: int


def echo(
    input_shape: tuple[int, ...] = (1, 2, 2, 3),
    output_shapes: tuple[tuple[int, ...], ...] = ((1, 12),),
    dtype: int = FLOAT32,
    quantisation: Quantisation | None = None,
    *,
    names: tuple[str, ...] = ("output",),
    free_batch: bool = False,
    free_size: bool = False,
    softmax: bool = False,
    sigmoid: bool = False,
    factor: float | None = None,
    inputs: int = 1,
    statement: bytes | None = None,
) -> bytes:
    """Return a flatbuffer whose outputs are its input in another shape, or the softmax of that.

    Args:
        input_shape: with the batch length first.
        output_shapes: one output each.
        dtype: of input and outputs.
        quantisation: likewise.
        names: of the outputs.
        free_batch: whether any batch length may come in; the second axis of the outputs counts.
        free_size: whether pictures of any height and width may come in.
        softmax: whether the outputs are passed through a softmax.
        sigmoid: whether that softmax is a sigmoid instead.
        factor: multiplies the outputs.
        inputs: how many inputs there are; only the first counts.
        statement: content of the buffer TFLITE_METADATA.
    """
    model = schema.ModelT()
    model.version = 3
    model.buffers = [_buffer()]
    model.operatorCodes = [
        _code(schema.BuiltinOperator.RESHAPE),
        _code(schema.BuiltinOperator.LOGISTIC if sigmoid else schema.BuiltinOperator.SOFTMAX),
        _code(schema.BuiltinOperator.MUL),
    ]
    graph = schema.SubGraphT()
    graph.tensors = [
        _tensor(f"pictures_{number}", input_shape, dtype, quantisation, free_batch)
        for number in range(inputs)
    ]
    if free_size:
        graph.tensors[0].shapeSignature = [-1 if free_batch else 1, -1, -1, input_shape[3]]
    graph.inputs, graph.outputs, graph.operators = list(range(inputs)), [], []
    for name, shape in zip(names, output_shapes, strict=True):
        flat_name = f"{name}_flat" if softmax else name
        flat = _add(graph, _tensor(flat_name, shape, dtype, quantisation, free_batch))
        wanted = _add(graph, _constant(model, (-1 if free_batch else shape[0], *shape[1:])))
        graph.operators.append(_operator(0, [0, wanted], [flat]))
        if softmax:
            flat, logits = _add(graph, _tensor(name, shape, dtype, quantisation, free_batch)), flat
            graph.operators.append(_operator(1, [logits], [flat], beta=None if sigmoid else 1.0))
        if factor is not None:
            number = _add(graph, _factor(model, factor))
            flat, plain = (
                _add(graph, _tensor(f"{name}_times", shape, dtype, None, free_batch)),
                flat,
            )
            graph.operators.append(_operator(2, [plain, number], [flat]))
        graph.outputs.append(flat)
    model.subgraphs = [graph]
    if statement is not None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
        model.buffers.append(_buffer(statement))
        model.metadata = [entry]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _add(graph: Any, tensor: Any) -> int:
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _buffer(content: bytes | None = None) -> Any:
    buffer = schema.BufferT()
    buffer.data = content and list(content)
    return buffer


def _code(builtin: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    return code


def _tensor(
    name: str, shape: tuple[int, ...], dtype: int, quantisation: Quantisation | None, free: bool
) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), dtype, 0
    if free:
        tensor.shapeSignature = [-1, *shape[1:]]
    if quantisation is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = [quantisation.scale]
        tensor.quantization.zeroPoint = [quantisation.zero_point]
    return tensor


def _constant(model: Any, values: tuple[int, ...]) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape = f"constant_{len(model.buffers)}", [len(values)]
    tensor.type, tensor.buffer = schema.TensorType.INT32, len(model.buffers)
    data = b"".join(value.to_bytes(4, "little", signed=True) for value in values)
    model.buffers.append(_buffer(data))
    return tensor


def _factor(model: Any, value: float) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = "factor", [], len(model.buffers)
    tensor.type = FLOAT32
    model.buffers.append(_buffer(struct.pack("<f", value)))
    return tensor


def _operator(code: int, inputs: list[int], outputs: list[int], beta: float | None = None) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, outputs
    if beta is not None:
        operator.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
        operator.builtinOptions = schema.SoftmaxOptionsT()
        operator.builtinOptions.beta = beta
    return operator
