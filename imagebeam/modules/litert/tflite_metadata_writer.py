"""Write TensorFlow Lite Metadata into a flatbuffer, for other programs; see `tflite_metadata`.

It has fields for the normalisation of pictures, their size and the file with class names. It has
none for the order of colours and for the kinds of outputs: these are in `module.json` only.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers

from imagebeam.modules.input_ranges import Range
from imagebeam.modules.litert.graph import pack
from imagebeam.modules.litert.tflite_metadata import BUFFER_NAME, texts_of

_IDENTIFIER = b"M001"
_PARSER_VERSION = "1.0.0"
# Members of unions and enumerations of the schema.
_NORMALISATION_OPTIONS, _FEATURES, _IMAGE, _RGB, _AXIS_LABELS = 1, 1, 2, 1, 2
_Builder = Any


def with_tflite_metadata(
    content: bytes,
    ranges: tuple[Range, ...] | None,
    labels: str | None,
    class_count: int,
    place: int = 0,
) -> bytes:
    """Return the flatbuffer `content` with metadata; the texts of earlier metadata are kept.

    All graphs get it that take the same pictures.

    Args:
        content: without an archive at its end.
        ranges: the values of pixels 0 and 255 at the input, one pair or one for each channel; None
            leaves the normalisation out.
        labels: the name of the file with class names; None without names.
        class_count: the number of names; the file belongs to outputs of this length.
        place: the place of the graph with these pictures among those of the file.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    others = [each for each in model.metadata or [] if each.name != BUFFER_NAME]
    taken = [_pictures(graph) for graph in model.subgraphs]
    graphs = [
        _StatedGraph(
            is_used=pictures == taken[place],
            inputs=len(graph.inputs),
            files=[
                labels if math.prod(graph.tensors[int(output)].shape[1:]) == class_count else None
                for output in graph.outputs
            ],
        )
        for graph, pictures in zip(model.subgraphs, taken, strict=True)
    ]
    buffer = schema.BufferT()
    buffer.data = list(_statement(texts_of(content), ranges, graphs))
    entry = schema.MetadataT()
    entry.name, entry.buffer = BUFFER_NAME.decode(), len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*others, entry]
    return pack(model)


@dataclass(frozen=True)
class _StatedGraph:
    """One graph of a flatbuffer.

    Attributes:
        is_used: whether the statements are about it.
        inputs: their number.
        files: for each output, the name of the file with its class names.
    """

    is_used: bool
    inputs: int
    files: Sequence[str | None]


def _pictures(graph: Any) -> list[tuple[int, list[int]]]:
    """Return type and shape of each input."""
    tensors = [graph.tensors[int(number)] for number in graph.inputs]
    return [(each.type, [int(length) for length in each.shape]) for each in tensors]


def _statement(
    texts: Mapping[int, str], ranges: tuple[Range, ...] | None, graphs: Sequence[_StatedGraph]
) -> bytes:
    builder = flatbuffers.Builder(1024)
    written = _tables(builder, [_graph(builder, ranges, graph) for graph in graphs])
    strings = {field: builder.CreateString(text) for field, text in texts.items()}
    version = builder.CreateString(_PARSER_VERSION)
    builder.Finish(_table(builder, {**strings, 3: written, 7: version}), _IDENTIFIER)
    return bytes(builder.Output())


def _graph(builder: _Builder, ranges: tuple[Range, ...] | None, graph: _StatedGraph) -> int:
    if not graph.is_used:
        # The metadata has an entry for each tensor, in their order.
        inputs, outputs = (
            _tables(builder, [_table(builder, {}) for _ in range(count)])
            for count in (graph.inputs, len(graph.files))
        )
        return _table(builder, {2: inputs, 3: outputs})
    picture = _table(builder, {0: (_IMAGE, "uint8"), 1: _table(builder, {0: (_RGB, "uint8")})})
    units = [] if ranges is None else [_normalisation(builder, ranges)]
    fields: dict[int, Any] = {3: picture} | ({4: _tables(builder, units)} if units else {})
    inputs = _tables(builder, [_table(builder, fields)])
    outputs = _tables(builder, [_output(builder, file) for file in graph.files])
    return _table(builder, {2: inputs, 3: outputs})


def _normalisation(builder: _Builder, ranges: tuple[Range, ...]) -> int:
    deviations = [255 / (high - low) for low, high in ranges]
    means = [-low * deviation for (low, _), deviation in zip(ranges, deviations, strict=True)]
    options = {0: _floats(builder, means), 1: _floats(builder, deviations)}
    return _table(builder, {0: (_NORMALISATION_OPTIONS, "uint8"), 1: _table(builder, options)})


def _output(builder: _Builder, file: str | None) -> int:
    content = _table(builder, {0: (_FEATURES, "uint8"), 1: _table(builder, {})})
    fields: dict[int, Any] = {3: content}
    if file is not None:
        name = builder.CreateString(file)
        entry = _table(builder, {0: name, 2: (_AXIS_LABELS, "int8")})
        fields[6] = _tables(builder, [entry])
    return _table(builder, fields)


def _table(builder: _Builder, fields: Mapping[int, Any]) -> int:
    """Write a table of offsets and of small numbers, given as (value, type), by field."""
    builder.StartObject(8)
    for field, value in fields.items():
        if isinstance(value, tuple):
            number, kind = value
            prepend = builder.PrependUint8Slot if kind == "uint8" else builder.PrependInt8Slot
            prepend(field, number, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(field, value, 0)
    return int(builder.EndObject())


def _tables(builder: _Builder, tables: Sequence[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return int(builder.EndVector())


def _floats(builder: _Builder, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())
