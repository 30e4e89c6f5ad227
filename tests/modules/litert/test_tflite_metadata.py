import struct
from pathlib import Path

import flatbuffers
import pytest

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.litert.flatbuffer import read_interface
from imagebeam.modules.litert.tflite_metadata import stated_ranges
from tests.modules.flatbuffers import echo


def _vector_of_tables(builder: flatbuffers.Builder, table: int) -> int:
    builder.StartVector(4, 1, 4)
    builder.PrependUOffsetTRelative(table)
    return int(builder.EndVector())


def _table(builder: flatbuffers.Builder, fields: dict[int, int]) -> int:
    builder.StartObject(8)
    for position, offset in fields.items():
        builder.PrependUOffsetTRelativeSlot(position, offset, 0)
    return int(builder.EndObject())


def _floats(builder: flatbuffers.Builder, values: list[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def _statement(means: list[float], deviations: list[float]) -> bytes:
    """TFLITE_METADATA, written with the flatbuffers library by the published schema."""
    builder = flatbuffers.Builder(256)
    mean, std = _floats(builder, means), _floats(builder, deviations)
    options = _table(builder, {0: mean, 1: std})
    builder.StartObject(2)
    builder.PrependUint8Slot(0, 1, 0)
    builder.PrependUOffsetTRelativeSlot(1, options, 0)
    unit = int(builder.EndObject())
    name = builder.CreateString("image")
    units = _vector_of_tables(builder, unit)
    tensor = _table(builder, {0: name, 4: units})
    inputs = _vector_of_tables(builder, tensor)
    subgraph = _table(builder, {2: inputs})
    subgraphs = _vector_of_tables(builder, subgraph)
    builder.Finish(_table(builder, {3: subgraphs}), b"M001")
    return bytes(builder.Output())


@pytest.mark.parametrize(
    ("mean", "deviation", "expected"),
    [(127.5, 127.5, (-1.0, 1.0)), (0.0, 255.0, (0.0, 1.0)), (0.0, 1.0, (0.0, 255.0))],
)
def test_mean_and_std_give_the_range(
    mean: float, deviation: float, expected: tuple[float, float]
) -> None:
    flatbuffer = echo(statement=_statement([mean], [deviation]))
    assert stated_ranges(flatbuffer, "it") == (expected,)
    assert read_interface(flatbuffer, "it").info.value_range == expected


def test_equal_values_for_each_colour_are_one() -> None:
    flatbuffer = echo(statement=_statement([127.5] * 3, [127.5] * 3))
    assert stated_ranges(flatbuffer, "it") == ((-1.0, 1.0),)


def test_each_colour_can_have_its_own_values() -> None:
    flatbuffer = echo(statement=_statement([0.0, 51.0, 255.0], [1.0, 51.0, 255.0]))
    info = read_interface(flatbuffer, "it").info
    assert info.channel_ranges == ((0.0, 255.0), (-1.0, 4.0), (-1.0, 0.0))


@pytest.mark.parametrize("statement", [None, _statement([], [])])
def test_the_default_is_the_range_of_hub_modules(statement: bytes | None) -> None:
    flatbuffer = echo(statement=statement)
    assert stated_ranges(flatbuffer, "it") is None
    assert read_interface(flatbuffer, "it").info.value_range == (0.0, 1.0)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (_statement([0.0], [0.0]), "division by zero"),
        (_statement([0.0, 1.0], [1.0]), "2 values, not one or three"),
        (_statement([0.0], [1.0])[:60], "unpack_from requires"),
        (struct.pack("<IiI", 4, 1000, 0), "unpack_from requires|bad number"),
    ],
)
def test_unusable_statements_are_refused(statement: bytes, reason: str) -> None:
    with pytest.raises(ModuleError, match=f"cannot use the normalisation.*({reason})"):
        stated_ranges(echo(statement=statement), "it")


@pytest.mark.parametrize("name", ["0.5_160", "0.25_128"])
def test_the_statement_of_a_published_flatbuffer_is_read(reference: Path, name: str) -> None:
    content = (reference / f"mobilenet_v1_{name}_quant.tflite").read_bytes()
    assert stated_ranges(content, "it") == ((-1.0, 1.0),)
