from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from imagebeam.outputs.changed import forget_changed
from imagebeam.outputs.errors import DamagedPartError
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import uris, write_part
from imagebeam.outputs.schema import PredictionSchema

SCHEMA = PredictionSchema(("logits",), 1, None, {}, {"id": pa.int64(), "version": pa.string()})


def labelled(versions: dict[str, str | None]) -> pa.Table:
    sizes = np.ones(len(versions), np.int32)
    kept = [(1, version) for version in versions.values()]
    logits = np.zeros((len(versions), 2), np.float32)
    return SCHEMA.table(list(versions), sizes, sizes, None, logits, None, kept)


def failed(versions: dict[str, str | None]) -> pa.Table:
    return SCHEMA.errors(
        [(uri, "decode", "corrupt", "", False, (1, version)) for uri, version in versions.items()]
    )


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "out", "parquet")
    layout.root.mkdir()
    layout.prediction_part("0" * 32).parent.mkdir(parents=True, exist_ok=True)
    layout.error_part("0" * 32).parent.mkdir(parents=True, exist_ok=True)
    write_part(layout, "0" * 32, labelled({"a": "1", "b": "1"}), failed({"c": "1", "d": None}))
    write_part(layout, "1" * 32, labelled({"e": "1"}), failed({"f": "1"}))
    return layout


def rows(layout: Layout) -> tuple[set[str], set[str]]:
    labels = {uri for part in layout.prediction_parts() for uri in uris(part)}
    return labels, {uri for part in layout.error_parts() for uri in uris(part)}


def test_only_rows_of_another_version_are_deleted(layout: Layout) -> None:
    listed = [("a", "2"), ("b", "1"), ("c", "2"), ("d", "2"), ("e", None), ("f", "1"), ("z", "9")]
    assert forget_changed(layout, listed) == 2
    assert rows(layout) == ({"b", "e"}, {"d", "f"})


def test_a_file_without_rows_is_deleted(layout: Layout) -> None:
    assert forget_changed(layout, [("e", "2")]) == 1
    assert not layout.prediction_part("1" * 32).exists()
    assert rows(layout) == ({"a", "b"}, {"c", "d", "f"})


def test_rows_of_images_that_are_no_longer_listed_are_kept(layout: Layout) -> None:
    before = layout.prediction_part("0" * 32).read_bytes()
    assert forget_changed(layout, []) == 0
    assert layout.prediction_part("0" * 32).read_bytes() == before


def test_an_output_without_rows_has_nothing_to_forget(tmp_path: Path) -> None:
    assert forget_changed(Layout(tmp_path, "parquet"), [("a", "1")]) == 0


def test_a_damaged_part_is_reported(layout: Layout) -> None:
    layout.prediction_part("0" * 32).write_bytes(b"PAR1 rubbish")
    with pytest.raises(DamagedPartError, match="damaged"):
        forget_changed(layout, [("a", "2")])
