"""Put a new linear head on the features of a flatbuffer.

The graph is cut behind the feature vector, and a dense layer in float32 follows: without
TensorFlow, and the network in front of it stays as it is, on bytes if it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from imagebeam.modules.litert.flatbuffer import Interface, read_interface
from imagebeam.modules.litert.graph import pack
from imagebeam.modules.metadata import append_to_flatbuffer, metadata_of
from imagebeam.modules.output_kinds import FEATURES, LOGITS
from imagebeam.modules.types import FloatArray


def with_new_head(
    interface: Interface,
    weights: FloatArray,
    bias: FloatArray,
    classes: Sequence[str],
    provenance: Mapping[str, Any],
) -> bytes:
    """Make a flatbuffer whose logits are `weights` @ features + `bias`.

    Args:
        interface: the interface of a flatbuffer with features.
        weights: float32 (classes, length of the features).
        bias: float32 (classes,).
        classes: their names.
        provenance: the origin of the weights.

    Raises:
        ModuleError: the result cannot be run.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(interface.content, 0)
    graph = model.subgraphs[0]
    features = interface.outputs[FEATURES].index
    _keep_what_computes(model, features)
    head = _GraphAppender(schema, model)
    values = features
    if graph.tensors[features].type != schema.TensorType.FLOAT32:
        values = head.tensor("features", graph.tensors[features].shape)
        signed = graph.tensors[features].type == schema.TensorType.INT8
        head.operation(
            schema.BuiltinOperator.DEQUANTIZE, [features], values, version=2 if signed else 1
        )
    shape = [interface.batch or 1, len(bias)]
    logits = head.tensor("logits", shape, None if interface.batch else [-1, len(bias)])
    inputs = [values, head.constant("weights", weights), head.constant("bias", bias)]
    dense = head.operation(schema.BuiltinOperator.FULLY_CONNECTED, inputs, logits)
    dense.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    dense.builtinOptions = schema.FullyConnectedOptionsT()
    graph.outputs = [logits, features]
    # The signatures of the file name its old outputs.
    model.signatureDefs = None
    metadata = metadata_of(interface.info, (LOGITS, FEATURES))
    content = append_to_flatbuffer(
        pack(model), replace(metadata, classes=tuple(classes), provenance=provenance)
    )
    read_interface(content, "the new module")
    return content


def _keep_what_computes(model: Any, tensor: int) -> None:
    """Remove the operators and the constants that `tensor` does not need."""
    graph = model.subgraphs[0]
    needed, kept = {tensor}, []
    for operator in reversed(graph.operators):
        if needed.intersection(map(int, operator.outputs)):
            needed.update(map(int, operator.inputs))
            kept.append(operator)
    graph.operators = kept[::-1]
    buffers = {each.buffer for index, each in enumerate(graph.tensors) if index in needed}
    for unused in {each.buffer for each in graph.tensors} - buffers:
        model.buffers[unused].data = None


class _GraphAppender:
    """Adds tensors and operators at the end of the graph of a model."""

    def __init__(self, schema: Any, model: Any) -> None:
        self._schema = schema
        self._model = model
        self._graph = model.subgraphs[0]

    def tensor(
        self, name: str, shape: Sequence[int], signature: Sequence[int] | None = None
    ) -> int:
        """Add a float32 tensor without content and return its index."""
        tensor = self._schema.TensorT()
        tensor.name = f"new_head/{name}"
        tensor.type = self._schema.TensorType.FLOAT32
        tensor.shape = [int(length) for length in shape]
        tensor.shapeSignature = None if signature is None else list(signature)
        tensor.buffer = 0  # the schema reserves the first buffer for tensors without content
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def constant(self, name: str, values: FloatArray) -> int:
        """Add a tensor with content and return its index."""
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values, "<f4").tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        index = self.tensor(name, values.shape)
        self._graph.tensors[index].buffer = len(self._model.buffers) - 1
        return index

    def operation(self, code: int, inputs: Sequence[int], output: int, version: int = 1) -> Any:
        """Add an operator of a version of a builtin operation, which depends on its types."""
        kind = self._schema.OperatorCodeT()
        kind.builtinCode = kind.deprecatedBuiltinCode = code
        kind.version = version
        self._model.operatorCodes.append(kind)
        operator = self._schema.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes) - 1
        operator.inputs, operator.outputs = list(inputs), [output]
        self._graph.operators.append(operator)
        return operator
