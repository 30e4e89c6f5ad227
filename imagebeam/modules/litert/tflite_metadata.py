"""Read the normalisation of pictures from the TensorFlow Lite Metadata of a flatbuffer.

Float networks take pictures as (pixel - mean) / std. The graph does not show this mean and std;
authors can state them in a flatbuffer within the flatbuffer, called TFLITE_METADATA, with the
schema
https://github.com/tensorflow/tflite-support/blob/master/tensorflow_lite_support/metadata/metadata_schema.fbs
"""

import struct

from flatbuffers.number_types import Float32Flags, Uint8Flags
from flatbuffers.table import Table

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.input_ranges import Range
from imagebeam.modules.module_options import ranges_of

BUFFER_NAME = b"TFLITE_METADATA"
_NORMALISATION_OPTIONS = 1

# Positions of the fields in their tables.
_MODEL_TEXTS = (0, 1, 2, 4, 5)
_MODEL_SUBGRAPHS = 3
_SUBGRAPH_INPUTS = 2
_TENSOR_PROCESS_UNITS = 4
_UNIT_OPTIONS_TYPE, _UNIT_OPTIONS = 0, 1
_OPTIONS_MEAN, _OPTIONS_STD = 0, 1


def stated_ranges(content: bytes, source: str, place: int = 0) -> tuple[Range, ...] | None:
    """Return the values of pixels 0 and 255 at the input of a graph; None if none are stated.

    There is one range for all channels, or one for each. What is stated of the first graph holds
    for graphs of which nothing is.

    Args:
        content: the flatbuffer.
        source: names it in errors.
        place: the place of the graph among those of the file.

    Raises:
        ModuleError: the metadata is damaged.
    """
    try:
        if (statement := _statement(content)) is not None:
            mean, std = _mean_and_std(statement, place)
            return ranges_of(mean, std) if mean else None
    except (struct.error, ArithmeticError, AttributeError, TypeError, ValueError) as error:
        raise ModuleError(
            f"{source}: cannot use the normalisation that its metadata states ({error}). "
            "Give the SavedModel that it was made from."
        ) from error
    return None


def texts_of(content: bytes) -> dict[int, str]:
    """Return name, description, version, author and licence that `content` states, by field."""
    try:
        if (statement := _statement(content)) is None:
            return {}
        (start,) = struct.unpack_from("<I", statement)
        model = Table(statement, start)
        offsets = {field: model.Offset(_slot(field)) for field in _MODEL_TEXTS}
        return {
            field: model.String(model.Pos + offset).decode("utf-8", "replace")
            for field, offset in offsets.items()
            if offset
        }
    except (struct.error, AttributeError, TypeError, ValueError):
        return {}


def _statement(content: bytes) -> bytes | None:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    for each in (model.Metadata(number) for number in range(model.MetadataLength())):
        if each.Name() == BUFFER_NAME:
            return bytes(model.Buffers(each.Buffer()).DataAsNumpy().tobytes())
    return None


def _mean_and_std(statement: bytes, place: int) -> tuple[list[float], list[float]]:
    (start,) = struct.unpack_from("<I", statement)
    model = Table(statement, start)
    subgraphs = _tables(model, _MODEL_SUBGRAPHS)
    for subgraph in (*subgraphs[place : place + 1], *subgraphs[:1]):
        for tensor in _tables(subgraph, _SUBGRAPH_INPUTS)[:1]:
            for unit in _tables(tensor, _TENSOR_PROCESS_UNITS):
                kind = unit.GetSlot(_slot(_UNIT_OPTIONS_TYPE), 0, Uint8Flags)
                if kind == _NORMALISATION_OPTIONS:
                    position = unit.Offset(_slot(_UNIT_OPTIONS))
                    options = Table(statement, unit.Indirect(unit.Pos + position))
                    return _floats(options, _OPTIONS_MEAN), _floats(options, _OPTIONS_STD)
    return [], []


def _tables(table: Table, field: int) -> list[Table]:
    """Read a vector of tables."""
    return [Table(table.Bytes, table.Indirect(position)) for position in _elements(table, field)]


def _floats(table: Table, field: int) -> list[float]:
    """Read a vector of float32."""
    return [table.Get(Float32Flags, position) for position in _elements(table, field)]


def _elements(table: Table, field: int) -> range:
    """Return the positions of the elements, of four bytes each, in a vector."""
    offset = table.Offset(_slot(field))
    if not offset:
        return range(0)
    length = table.VectorLen(offset)
    if length > len(table.Bytes):
        raise ValueError("a vector is longer than the file")
    start = table.Vector(offset)
    return range(start, start + 4 * length, 4)


def _slot(field: int) -> int:
    """Return where the offset of a field stands in the vtable (https://flatbuffers.dev/internals)."""
    return 4 + 2 * field
