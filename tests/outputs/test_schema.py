import itertools
import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.provenance import provenance
from imagebeam.outputs.schema import EMITTED, ERRORS, PredictionSchema

Floats = npt.NDArray[np.float32]

URIS = ["/a b.jpg", "/ö\n.jpg", "file:///%FF.jpg"]
WIDTHS = np.array([1, 500, 65_535], np.int32)
HEIGHTS = np.array([2, 375, 65_535], np.int32)
NAMES = ("tench", "cock, rooster", "Öl", "")
# These scores have ties within the best and at their limit.
SCORES = np.array([[0.1, 0.4, 0.4, 0.1], [0.25, 0.25, 0.25, 0.25], [0, 0, 0, 1]], np.float32)
LOGITS = np.array([[-1.5, 0.1, np.pi, 1e-30], [0, -0.0, 1, 2], [3e38, 1, 2, 3]], np.float32)
FEATURES = np.array([[0.5, 1], [2, 3], [4, 5]], np.float32)

EMITS = [emit for size in (1, 2, 3) for emit in itertools.combinations(EMITTED, size)]


def schema(
    emit: tuple[str, ...] = EMITTED, top_k: int = 2, names: tuple[str, ...] | None = NAMES
) -> PredictionSchema:
    return PredictionSchema(emit, top_k, names, {"module": "ö", "nested": {"size": [8, 9]}})


def table(wanted: PredictionSchema) -> pa.Table:
    return wanted.table(URIS, WIDTHS, HEIGHTS, SCORES, LOGITS, FEATURES)


def row_by_row(
    emit: tuple[str, ...], top_k: int, names: tuple[str, ...] | None
) -> list[dict[str, Any]]:
    """Return the rows in the form of the contract, as dicts."""
    found = []
    for index, uri in enumerate(URIS):
        row: dict[str, Any] = {
            "uri": uri,
            "width": int(WIDTHS[index]),
            "height": int(HEIGHTS[index]),
        }
        if "labels" in emit:
            scores = SCORES[index].tolist()
            order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
            best = [
                {"class": place, "label": names[place] if names else str(place), "score": score}
                for place, score in ((place, scores[place]) for place in order[:top_k])
            ]
            row |= {"label": best[0]["label"], "score": best[0]["score"], "top_k": best}
        if "logits" in emit:
            row["logits"] = LOGITS[index].tolist()
        if "features" in emit:
            row["features"] = FEATURES[index].tolist()
        found.append(row)
    return found


class TestPredictions:
    @pytest.mark.parametrize("names", [NAMES, None])
    @pytest.mark.parametrize("top_k", [1, 2, 4, 9])
    @pytest.mark.parametrize("emit", EMITS)
    def test_arrays_become_rows(
        self, emit: tuple[str, ...], top_k: int, names: tuple[str, ...] | None
    ) -> None:
        found = table(schema(emit, top_k, names))
        found.validate(full=True)
        assert found.to_pylist() == row_by_row(emit, top_k, names)

    def test_equal_scores_are_sorted_by_class(self) -> None:
        found = table(schema(("labels",), 3))["top_k"].to_pylist()
        classes = [[entry["class"] for entry in row] for row in found]
        assert classes == [[1, 2, 0], [0, 1, 2], [3, 0, 1]]

    def test_the_top_classes_equal_those_of_a_full_sort(self) -> None:
        # Few levels give many ties.
        levels = np.random.default_rng(5).integers(0, 20, (50, 300))
        scores = (levels / 20).astype(np.float32)
        sides = np.ones(50, np.int32)
        uris = [str(index) for index in range(50)]
        found = schema(("labels",), 40, None).table(uris, sides, sides, scores, None, None)
        for row, best in zip(scores, found["top_k"].to_pylist(), strict=True):
            order = sorted(range(300), key=lambda place: (-row[place], place))
            assert [entry["class"] for entry in best] == order[:40]

    def test_unused_arrays_can_be_missing(self) -> None:
        arguments = (URIS, WIDTHS, HEIGHTS)
        assert schema(("labels",)).table(*arguments, SCORES, None, None).num_rows == 3
        assert schema(("logits",)).table(*arguments, None, LOGITS, None).num_rows == 3
        assert schema(("features",)).table(*arguments, None, None, FEATURES).num_rows == 3

    def test_arrays_can_have_any_memory_order(self) -> None:
        turned = np.asfortranarray(LOGITS)
        found = schema(("logits",)).table(URIS, WIDTHS, HEIGHTS, None, turned, None)
        assert found["logits"].to_pylist() == LOGITS.tolist()

    @pytest.mark.parametrize("emit", EMITS)
    def test_the_columns_are_the_same_for_no_rows(self, emit: tuple[str, ...]) -> None:
        wanted = schema(emit)
        none = np.zeros(0, np.int32)
        empty = wanted.table([], none, none, None, None, None)
        assert empty.num_rows == 0
        assert empty.schema.equals(table(wanted).schema, check_metadata=True)
        assert empty.schema.equals(wanted.arrow(), check_metadata=True)

    def test_the_columns_are_those_of_the_contract(self) -> None:
        entry = "struct<class: int32 not null, label: string not null, score: float not null>"
        assert [(field.name, str(field.type), field.nullable) for field in schema().arrow()] == [
            ("uri", "string", False),
            ("width", "int32", False),
            ("height", "int32", False),
            ("label", "string", False),
            ("score", "float", False),
            ("top_k", f"list<element: {entry} not null>", False),
            ("logits", "list<element: float not null>", False),
            ("features", "list<element: float not null>", False),
        ]

    def test_files_record_their_provenance(self, tmp_path: Path) -> None:
        pq.write_table(table(schema()), tmp_path / "a.parquet")
        found = pq.read_schema(tmp_path / "a.parquet")
        assert provenance(found) == {"module": "ö", "nested": {"size": [8, 9]}}
        assert json.loads(found.metadata[b"imagebeam"]) == provenance(found)


def equal_rows(found: list[dict[str, Any]]) -> bool:
    return found == row_by_row(EMITTED, 2, NAMES)


class TestReaders:
    """Test that other libraries read the files of a job with equal values."""

    @pytest.fixture
    def part(self, tmp_path: Path) -> Path:
        (tmp_path / "predictions").mkdir()
        write_part(Layout(tmp_path), "1", table(schema()), schema().errors([]))
        return tmp_path / "predictions" / "part-1.parquet"

    def test_pyarrow_reads_the_files(self, part: Path) -> None:
        found = pq.read_table(part)
        assert found.schema.equals(schema().arrow(), check_metadata=True)
        assert equal_rows(found.to_pylist())

    def test_pandas_reads_the_files(self, part: Path) -> None:
        frame = pd.read_parquet(part)
        assert frame["width"].dtype == np.int32
        assert frame["logits"][0].dtype == np.float32
        vectors = [name for name in frame.columns if name in ("top_k", "logits", "features")]
        for name in vectors:
            frame[name] = [list(each) for each in frame[name]]
        assert equal_rows(frame.to_dict("records"))

    def test_polars_reads_the_files(self, part: Path) -> None:
        frame = pl.read_parquet(part)
        assert frame.schema["features"] == pl.List(pl.Float32)
        assert equal_rows(frame.to_dicts())

    def test_duckdb_reads_the_files(self, part: Path) -> None:
        with duckdb.connect() as connection:
            query = connection.execute("SELECT * FROM read_parquet(?)", [str(part)])
            names = [column[0] for column in query.description]
            assert equal_rows([dict(zip(names, row, strict=True)) for row in query.fetchall()])
            flat = connection.execute(
                "SELECT uri, logits[3], top_k[1].label FROM read_parquet(?) WHERE score < 0.5"
                " ORDER BY width",
                [str(part)],
            )
            assert flat.fetchall() == [
                (URIS[0], float(np.float32(np.pi)), "cock, rooster"),
                (URIS[1], 1.0, "tench"),
            ]


class TestErrors:
    SCHEMA = PredictionSchema(("labels",), 2, None, {})

    def test_errors_become_rows(self) -> None:
        rows = [
            ("/a.jpg", "fetch", "not_found", "No such file", True),
            ("/ö.jpg", "decode", "corrupt", "bad\nheader", False),
        ]
        found = self.SCHEMA.errors([(*row, ()) for row in rows])
        assert found.schema.equals(ERRORS)
        assert [tuple(row.values()) for row in found.to_pylist()] == rows
        assert found.column_names == ["uri", "stage", "code", "message", "retryable"]

    def test_the_columns_are_the_same_for_no_rows(self) -> None:
        found = self.SCHEMA.errors([])
        assert found.schema.equals(ERRORS)
        assert found.num_rows == 0


class TestKept:
    SCHEMA = PredictionSchema(
        ("features",), 2, None, {}, {"id": pa.int16(), "tags": pa.list_(pa.string())}
    )
    FIELDS = (pa.field("id", pa.int16()), pa.field("tags", pa.list_(pa.string())))

    def test_kept_columns_are_the_last_columns_of_predictions(self) -> None:
        sides = np.array([1, 2, 3], np.int32)
        vectors = np.zeros((3, 2), np.float32)
        kept = [(7, ["a", "b"]), (), (None, [])]
        found = self.SCHEMA.table(["x", "y", "z"], sides, sides, None, None, vectors, kept)
        assert found.schema.names == ["uri", "width", "height", "features", "id", "tags"]
        assert tuple(found.schema)[-2:] == self.FIELDS
        assert found["id"].to_pylist() == [7, None, None]
        assert found["tags"].to_pylist() == [["a", "b"], None, []]

    def test_kept_columns_are_the_last_columns_of_errors(self) -> None:
        found = self.SCHEMA.errors([("x", "fetch", "not_found", "gone", True, (7, ["a"]))])
        assert [*found.schema] == [*ERRORS, *self.FIELDS]
        assert found.to_pylist()[0]["tags"] == ["a"]
        assert self.SCHEMA.errors([]).schema.equals(found.schema)
