from pathlib import Path

import numpy as np

from imagebeam.outputs.label_counts import LabelCount, label_counts
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.schema import PredictionSchema
from tests.outputs.outputs import SCHEMA, claimed, failed, labelled


def _rows(uri: str, scores: list[float]) -> object:
    sides = np.full(1, 8, np.int32)
    return SCHEMA.table([uri], sides, sides, np.array([scores], np.float32), None, None)


def test_labels_of_all_parts_are_sorted_by_frequency(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    write_part(layout, "1", labelled("a", "b"), failed("c"))
    write_part(layout, "2", _rows("d", [0.75, 0.25, 0.0]), failed())
    write_part(layout, "3", _rows("e", [0.0, 1.0, 0.0]), failed())
    assert label_counts(layout) == [LabelCount("1", 3, 2 / 3), LabelCount("0", 1, 0.75)]


def test_an_output_without_rows_has_no_labels(tmp_path: Path) -> None:
    assert label_counts(claimed(tmp_path)) == []


def test_an_output_of_many_files_is_not_counted(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    for name in "123":
        write_part(layout, name, labelled(name), failed())
    assert label_counts(layout, most_parts=2) is None
    assert label_counts(layout, most_parts=3) == [LabelCount("1", 3, 0.5)]


def test_tfrecords_are_not_counted(tmp_path: Path) -> None:
    assert label_counts(claimed(tmp_path, "tfrecord")) is None


def test_an_output_of_features_alone_has_no_labels(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    sides = np.full(1, 8, np.int32)
    schema = PredictionSchema(("features",), 1, None, {})
    rows = schema.table(["a"], sides, sides, None, None, np.zeros((1, 2), np.float32))
    write_part(layout, "1", rows, failed())
    assert label_counts(layout) == []
