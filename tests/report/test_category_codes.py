import pyarrow as pa
import pytest

from imagebeam.report.category_codes import CategoryCodes


@pytest.mark.parametrize("encoded", [False, True])
def test_a_text_has_one_number_in_all_batches(encoded: bool) -> None:
    numbering = CategoryCodes()
    columns = [pa.array(["b", "a", "b"]), pa.array(["c", "a"]), pa.array([], pa.string())]
    if encoded:
        columns = [column.dictionary_encode() for column in columns]
    assert [numbering.of(column).tolist() for column in columns] == [[0, 1, 0], [2, 1], []]
    assert numbering.names == ["b", "a", "c"]
