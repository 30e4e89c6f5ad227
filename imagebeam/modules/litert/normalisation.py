"""How a foreign flatbuffer wants its pictures normalised, as TensorFlow Lite Metadata states it.

Float networks take pictures as (pixel - mean) / std with a mean and std of their own, which the
graph does not show. Their authors state it in a flatbuffer within the flatbuffer, called
TFLITE_METADATA, whose schema is
https://github.com/tensorflow/tflite-support/blob/master/tensorflow_lite_support/metadata/metadata_schema.fbs
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from imagebeam.modules.errors import ModuleError

_BUFFER_NAME = b"TFLITE_METADATA"
_NORMALISATION_OPTIONS = 1

# Positions of the fields in their tables.
_MODEL_SUBGRAPHS = 3
_SUBGRAPH_INPUTS = 2
_TENSOR_PROCESS_UNITS = 4
_UNIT_OPTIONS_TYPE, _UNIT_OPTIONS = 0, 1
_OPTIONS_MEAN, _OPTIONS_STD = 0, 1


def stated_value_range(content: bytes, source: str) -> tuple[float, float] | None:
    """What pixel values 0 and 255 are at the input of the flatbuffer `content`; None if not stated.

    Raises:
        ModuleError: the statement is damaged, or normalises each colour in its own way.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    named = (model.Metadata(number) for number in range(model.MetadataLength()))
    try:
        for each in named:
            if each.Name() == _BUFFER_NAME:
                statement = model.Buffers(each.Buffer()).DataAsNumpy().tobytes()
                return _value_range(*_mean_and_std(statement))
    except (struct.error, ArithmeticError, AttributeError, TypeError, ValueError) as error:
        raise ModuleError(
            f"{source}: cannot use the normalisation that its metadata states ({error}). "
            "Give the SavedModel that it was made from."
        ) from error
    return None


def _value_range(means: list[float], deviations: list[float]) -> tuple[float, float] | None:
    pairs = set(zip(means, deviations, strict=True))
    if len(pairs) > 1:
        raise ValueError(f"one mean and std a colour: {means}, {deviations}")
    for mean, deviation in pairs:
        return -mean / deviation, (255 - mean) / deviation
    return None


def _mean_and_std(statement: bytes) -> tuple[list[float], list[float]]:
    (start,) = struct.unpack_from("<I", statement)
    model = _Table(statement, start)
    for subgraph in list(model.tables(_MODEL_SUBGRAPHS))[:1]:
        for tensor in list(subgraph.tables(_SUBGRAPH_INPUTS))[:1]:
            for unit in tensor.tables(_TENSOR_PROCESS_UNITS):
                if unit.byte(_UNIT_OPTIONS_TYPE) == _NORMALISATION_OPTIONS:
                    options = unit.table(_UNIT_OPTIONS)
                    return options.floats(_OPTIONS_MEAN), options.floats(_OPTIONS_STD)
    return [], []


class _Table:
    """A table of a flatbuffer (https://flatbuffers.dev/internals): fields by position."""

    def __init__(self, buffer: bytes, start: int) -> None:
        self._buffer = buffer
        self._start = start

    def byte(self, field: int) -> int:
        """The value of a one-byte field, 0 by default."""
        at = self._at(field)
        return self._read("<B", at) if at else 0

    def table(self, field: int) -> _Table:
        """The table that a field refers to."""
        at = self._at(field)
        if not at:
            raise ValueError("a table is missing")
        return _Table(self._buffer, at + self._read("<I", at))

    def tables(self, field: int) -> Iterator[_Table]:
        """The tables in a vector."""
        for at in self._elements(field):
            yield _Table(self._buffer, at + self._read("<I", at))

    def floats(self, field: int) -> list[float]:
        """The values in a vector of float32."""
        return [self._read("<f", at) for at in self._elements(field)]

    def _elements(self, field: int) -> range:
        at = self._at(field)
        if not at:
            return range(0)
        vector = at + self._read("<I", at)
        length = self._read("<I", vector)
        if length > len(self._buffer):
            raise ValueError("a vector is longer than the file")
        return range(vector + 4, vector + 4 + 4 * length, 4)

    def _at(self, field: int) -> int:
        """Where the value of a field is; 0 when the table does not have it."""
        fields = self._start - self._read("<i", self._start)
        position = 4 + 2 * field
        if position >= self._read("<H", fields):
            return 0
        offset = self._read("<H", fields + position)
        return self._start + offset if offset else 0

    def _read(self, kind: str, at: int) -> Any:
        if at < 0:
            raise ValueError("an offset points before the file")
        return struct.unpack_from(kind, self._buffer, at)[0]
