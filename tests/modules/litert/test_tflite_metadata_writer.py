import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers.number_types import Int8Flags
from flatbuffers.table import Table

from imagebeam.modules.input_ranges import Range
from imagebeam.modules.litert.flatbuffer import read_interface
from imagebeam.modules.litert.graph import Graph, pack
from imagebeam.modules.litert.tflite_metadata import stated_ranges, texts_of
from imagebeam.modules.litert.tflite_metadata_writer import with_tflite_metadata
from tests.modules.flatbuffers import echo


def _named(name: str) -> bytes:
    """TFLITE_METADATA that states a name only."""
    builder = flatbuffers.Builder(64)
    text = builder.CreateString(name)
    builder.StartObject(8)
    builder.PrependUOffsetTRelativeSlot(0, text, 0)
    builder.Finish(builder.EndObject(), b"M001")
    return bytes(builder.Output())


def _statement(content: bytes) -> bytes:
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    [entry] = [each for each in model.metadata if each.name == b"TFLITE_METADATA"]
    return bytes(bytearray(model.buffers[entry.buffer].data))


def _field(table: Table, field: int) -> Table:
    """Follow a field to the first table of its vector, or to its table."""
    place = table.Offset(4 + 2 * field)
    return Table(table.Bytes, table.Indirect(table.Vector(place)))


@pytest.mark.parametrize(
    "ranges", [((-1.0, 1.0),), ((0.0, 255.0),), ((-2.0, 3.0), (-1.0, 1.0), (0.0, 1.0))]
)
def test_the_range_is_stated_as_mean_and_std(ranges: tuple[Range, ...]) -> None:
    content = with_tflite_metadata(echo(), ranges, None, 0)
    found = stated_ranges(content, "it")
    assert found is not None
    assert [pytest.approx(each, abs=1e-5) for each in ranges] == list(found)
    info = read_interface(content, "it").info
    assert info.range_origin == "stated"


def test_class_names_belong_to_the_output_of_their_number() -> None:
    two = echo(output_shapes=((1, 1, 12), (1, 12)), names=("a", "b"))
    for count, expected in ((12, True), (5, False)):
        statement = _statement(with_tflite_metadata(two, None, "labels.txt", count))
        assert statement[4:8] == b"M001"
        start = int.from_bytes(statement[:4], "little")
        graph = _field(Table(statement, start), 3)
        output = _field(graph, 3)
        assert bool(output.Offset(4 + 2 * 6)) == expected
        if expected:
            file = _field(output, 6)
            assert file.String(file.Pos + file.Offset(4)) == b"labels.txt"
            kind = file.Get(Int8Flags, file.Pos + file.Offset(8))
            assert kind == 2  # TENSOR_AXIS_LABELS


def test_earlier_texts_are_kept_and_earlier_metadata_is_replaced() -> None:
    content = with_tflite_metadata(echo(statement=_named("birds")), ((0.0, 1.0),), None, 0)
    assert texts_of(content) == {0: "birds"}
    again = with_tflite_metadata(content, ((-1.0, 1.0),), None, 0)
    assert texts_of(again) == {0: "birds"}
    assert stated_ranges(again, "it") == ((-1.0, 1.0),)
    _statement(again)  # there is one


def test_all_graphs_that_take_the_same_pictures_get_it() -> None:
    graph = Graph(echo())
    others = [Graph(each).model for each in (echo((1, 2, 2, 1), ((1, 4),)), echo())]
    for other in others:
        # Their tensors are not used, so their constants do not matter.
        for tensor in other.subgraphs[0].tensors:
            tensor.buffer = 0
    graph.model.subgraphs += [other.subgraphs[0] for other in others]
    content = with_tflite_metadata(pack(graph.model), ((-1.0, 1.0),), "labels.txt", 12, 2)
    statement = _statement(content)
    model = Table(statement, int.from_bytes(statement[:4], "little"))
    place = model.Offset(4 + 2 * 3)
    assert model.VectorLen(place) == 3
    start = model.Vector(place)
    found = [Table(statement, model.Indirect(start + 4 * number)) for number in range(3)]
    normalised = [bool(_field(each, 2).Offset(4 + 2 * 4)) for each in found]
    named = [bool(_field(each, 3).Offset(4 + 2 * 6)) for each in found]
    assert (normalised, named) == ([True, False, True], [True, False, True])
    for number in range(3):
        assert stated_ranges(content, "it", number) == ((-1.0, 1.0),)
    texts_only = with_tflite_metadata(pack(graph.model), None, None, 0)
    assert stated_ranges(texts_only, "it", 2) is None
