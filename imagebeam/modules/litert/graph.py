"""The graph of a flatbuffer as objects of the schema that LiteRT ships, and a graph as bytes."""

import struct
from typing import Any

import numpy as np

UNREADABLE = (struct.error, AttributeError, IndexError, TypeError, ValueError)
"""The errors of reading a damaged file. LiteRT states the reason when it opens the file."""


class Graph:
    """The first graph of a flatbuffer, which is the one that an interpreter runs.

    Attributes:
        schema: the module with the classes of all objects.
        model: a `ModelT`, with the graph in it.
        operators: the operators of the graph, in the order of execution.
        tensors: the tensors of the graph; operators name them by index.
        names: the names of the kinds of operations in the file, for example CONV_2D.
        custom_names: the names of those that are not LiteRT's own.
    """

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.model = schema.ModelT.InitFromPackedBuf(content, 0)
        self.operators: list[Any] = list(self.model.subgraphs[0].operators or ())
        self.tensors: list[Any] = self.model.subgraphs[0].tensors
        known = names_by_value(schema.BuiltinOperator)
        # Old files store the number in one byte, which cannot hold the numbers of newer operations.
        kinds = self.model.operatorCodes or ()
        codes = [max(each.builtinCode, each.deprecatedBuiltinCode) for each in kinds]
        self.names: list[str] = [known.get(code, str(code)) for code in codes]
        custom = {each.customCode for each in kinds if each.customCode}
        self.custom_names = sorted(name.decode("utf-8", "replace") for name in custom)

    def name(self, operator: Any) -> str:
        """Return the name of the kind of an operation."""
        return str(self.names[operator.opcodeIndex])

    def tensor_names(self) -> list[str]:
        """Return the names of all tensors."""
        return [(each.name or b"").decode("utf-8", "replace") for each in self.tensors]

    def producers(self) -> dict[int, Any]:
        """Return the operation that computes each tensor, by the index of the tensor."""
        return {int(output): each for each in self.operators for output in each.outputs}

    def constant(self, number: int) -> Any:
        """Return the real values of the constant tensor `number`; None for other tensors."""
        types = self.schema.TensorType
        dtypes = {
            types.FLOAT32: np.float32,
            types.FLOAT16: np.float16,
            types.INT8: np.int8,
            types.UINT8: np.uint8,
            types.INT16: np.int16,
        }
        tensor = self.tensors[number]
        data = self.model.buffers[tensor.buffer].data
        if isinstance(data, np.ndarray) and tensor.type in dtypes:
            values = data.view(dtypes[tensor.type]).astype(np.float64)
            parameters = tensor.quantization
            if parameters is None or parameters.scale is None or len(parameters.scale) != 1:
                return values
            return (values - int(parameters.zeroPoint[0])) * float(parameters.scale[0])
        maker = self.producers().get(number)
        if maker is not None and self.name(maker) == "DEQUANTIZE":
            return self.constant(int(maker.inputs[0]))
        return None


def names_by_value(enumeration: type) -> dict[int, str]:
    """Return the names of an enumeration of the schema."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def pack(model: Any) -> bytes:
    """Write a model of the schema as a flatbuffer."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
