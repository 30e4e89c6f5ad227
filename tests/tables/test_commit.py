"""Test that tables hold exactly the rows of an output, whatever happened to either."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from imagebeam.outputs import parts
from imagebeam.outputs.compaction.compact import compact
from imagebeam.outputs.errors import DamagedPartError, OutputError
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.tables.commit import commit
from imagebeam.tables.source import CommitSource
from imagebeam.tables.table import ConflictError, TableError
from tests.outputs.outputs import failed, labelled
from tests.tables.tables import DeltaKind, Kind, account, output


def images(count: int, prefix: str = "a") -> list[str]:
    return [f"{prefix}{number:02d}.jpg" for number in range(count)]


def changes(done: object) -> list[tuple[int, int, int]]:
    return [(each.added, each.removed, each.rows) for each in done]  # type: ignore[attr-defined]


def test_tables_hold_the_rows_and_say_where_they_are_from(tmp_path: Path, kind: Kind) -> None:
    root = tmp_path / "out"
    output(root, images(5), ["bad1", "bad2", "bad3"])
    assert changes(kind.commit(root)) == [(5, 0, 5), (3, 0, 3)]
    predictions, errors = kind.rows()
    expected = labelled(*images(5)).to_pylist()
    assert predictions == expected
    assert errors == failed("bad1", "bad2", "bad3").to_pylist()
    [properties] = kind.snapshots()
    assert {
        name: value for name, value in properties.items() if str(name).startswith("imagebeam.")
    } == {
        "imagebeam.output": str(root),
        "imagebeam.run": "run-1",
        "imagebeam.complete": "true",
        "imagebeam.module": "m",
        "imagebeam.module-digest": "sha256:1",
        "imagebeam.rows": "5",
        "imagebeam.account": properties["imagebeam.account"],
    }
    assert account(properties)["output"] == {
        "rows": 8,
        "labelled": 5,
        "failed": 3,
        "failed_by_code": {"not_found": 3},
    }


def test_a_second_commit_commits_nothing(tmp_path: Path, kind: Kind) -> None:
    root = tmp_path / "out"
    output(root, images(5), ["bad"])
    kind.commit(root)
    done = kind.commit(root)
    assert [each.snapshot for each in done] == [None, None]
    assert changes(done) == [(0, 0, 5), (0, 0, 1)]
    assert len(kind.snapshots()) == 1


def test_new_images_are_added_and_touch_no_other_row(tmp_path: Path, kind: Kind) -> None:
    root = tmp_path / "out"
    output(root, images(5))
    kind.commit(root)
    before = kind.files()
    output(root, images(8))
    assert changes(kind.commit(root)) == [(3, 0, 8), (0, 0, 0)]
    assert kind.uris() == (images(8), [])
    assert kind.files() > before
    assert len(kind.snapshots()) == 2


def test_an_image_that_was_retried_moves_to_the_other_table(tmp_path: Path, kind: Kind) -> None:
    root = tmp_path / "out"
    output(root, images(5), ["b1", "b2", "b3"])
    kind.commit(root)
    output(root, [*images(5), "b2"], ["b1", "b3"])
    assert changes(kind.commit(root)) == [(1, 0, 6), (0, 1, 2)]
    assert kind.uris() == ([*images(5), "b2"], ["b1", "b3"])
    output(root, [*images(5), "b1", "b2", "b3"])
    assert changes(kind.commit(root)) == [(2, 0, 8), (0, 2, 0)]
    assert kind.uris() == ([*images(5), "b1", "b2", "b3"], [])


def test_rows_with_new_values_replace_the_old_ones(tmp_path: Path, kind: Kind) -> None:
    def wider(*uris: str) -> pa.Table:
        table = labelled(*uris)
        widths = [9 if uri == "a01.jpg" else 8 for uri in uris]
        return table.set_column(1, table.schema.field(1), pa.array(widths, pa.int32()))

    root = tmp_path / "out"
    output(root, images(5))
    kind.commit(root)
    output(root, images(5), make=wider)
    assert changes(kind.commit(root)) == [(1, 1, 5), (0, 0, 0)]
    assert kind.rows()[0] == wider(*images(5)).to_pylist()
    assert len(kind.snapshots()) == 2


def test_compaction_changes_no_row(tmp_path: Path, kind: Kind) -> None:
    root = tmp_path / "out"
    layout = output(root, images(9), ["b1", "b2", "b3"])
    kind.commit(root)
    before = kind.rows(), kind.files()
    compact(layout, 100_000_000)
    assert len([*layout.prediction_parts()]) == 1
    assert changes(kind.commit(root)) == [(0, 0, 9), (0, 0, 3)]
    assert (kind.rows(), kind.files()) == before
    assert len(kind.snapshots()) == 1


def test_columns_are_added_when_a_job_writes_more(tmp_path: Path, kind: Kind) -> None:
    def with_more(*uris: str) -> pa.Table:
        schema = PredictionSchema(("labels", "features"), 2, None, {}, {"camera": pa.string()})
        sides = np.full(len(uris), 8, np.int32)
        scores = np.tile(np.array([0.25, 0.5, 0.25], np.float32), (len(uris), 1))
        features = np.arange(2 * len(uris), dtype=np.float32).reshape(-1, 2)
        return schema.table(
            uris, sides, sides, scores, None, features, [(f"cam-{uri}",) for uri in uris]
        )

    root = tmp_path / "out"
    output(root, images(2))
    kind.commit(root)
    output(root, images(3), make=with_more, emit=["labels", "features"], kept={"camera": "string"})
    assert changes(kind.commit(root))[0] == (3, 2, 3)
    rows, _ = kind.rows()
    assert [(row["uri"], row["camera"], row["features"]) for row in rows] == [
        ("a00.jpg", "cam-a00.jpg", [0.0, 1.0]),
        ("a01.jpg", "cam-a01.jpg", [2.0, 3.0]),
        ("a02.jpg", "cam-a02.jpg", [0.0, 1.0]),
    ]
    assert len(kind.snapshots()) == 2
    output(root, images(3))
    with pytest.raises(TableError, match="the output has no column 'features'; the output has no"):
        kind.commit(root)
    assert len(kind.snapshots()) == 2


def test_a_table_with_other_types_is_refused(tmp_path: Path, kind: Kind) -> None:
    def kept(value: object, kind: pa.DataType) -> None:
        def make(*uris: str) -> pa.Table:
            return labelled(*uris).append_column("year", pa.array([value] * len(uris), kind))

        output(tmp_path / "out", images(2), make=make, kept={"year": str(kind)})

    kept("1999", pa.string())
    kind.commit(tmp_path / "out")
    kept(1999, pa.int64())
    with pytest.raises(TableError, match="has another schema: column 'year' is string, not int64"):
        kind.commit(tmp_path / "out")
    assert len(kind.snapshots()) == 1


def test_a_part_with_other_types_is_damaged(tmp_path: Path, kind: Kind) -> None:
    def texts(*uris: str) -> pa.Table:
        table = labelled(*uris)
        return table.set_column(1, "width", table["width"].cast(pa.string()))

    output(tmp_path / "out", images(2), make=texts)
    with pytest.raises(DamagedPartError, match="its column 'width' is string, not int32"):
        kind.commit(tmp_path / "out")


def test_rows_of_another_program_are_not_touched(tmp_path: Path, kind: Kind) -> None:
    root = tmp_path / "out"
    output(root, images(3))
    kind.commit(root)
    kind.append(labelled("foreign.jpg"))
    output(root, images(4))
    with pytest.raises(TableError, match="its rows were changed by another program after the last"):
        kind.commit(root)
    assert kind.uris() == ([*images(3), "foreign.jpg"], [])
    assert changes(kind.commit(root, overwrite=True)) == [(4, 4, 4), (0, 0, 0)]
    assert kind.uris() == (images(4), [])
    output(root, images(5))
    assert changes(kind.commit(root)) == [(1, 0, 5), (0, 0, 0)]


def test_a_table_whose_data_files_were_deleted_is_refused(tmp_path: Path, kind: Kind) -> None:
    root = tmp_path / "out"
    output(root, images(3))
    kind.commit(root)
    [file, *_] = kind.files()
    Path(file.removeprefix("file://")).unlink()
    output(root, images(4))
    with pytest.raises(TableError, match="restore an earlier version") as caught:
        kind.commit(root)
    assert Path(file).name in str(caught.value)
    assert len(kind.snapshots()) == 1


def test_a_table_that_takes_no_changes_is_refused_before_anything_is_changed(
    tmp_path: Path,
) -> None:
    kind = DeltaKind(tmp_path / "lake")
    root = tmp_path / "out"
    output(root, images(3), ["b1", "b2"])
    kind.commit(root)
    errors = DeltaTable(f"{kind.place}_errors")
    errors.alter.set_table_properties({"delta.appendOnly": "true"})
    output(root, [*images(3), "b1"], ["b2"])
    with pytest.raises(TableError, match=r"its property delta\.appendOnly is true\. Set"):
        kind.commit(root)
    assert kind.uris() == (images(3), ["b1", "b2"])
    errors.alter.set_table_properties({"delta.appendOnly": "false"})
    kind.commit(root)
    assert kind.uris() == ([*images(3), "b1"], ["b2"])


def _three_commits(kind: Kind, root: Path, **job: Any) -> None:
    """Commit an output, then more images, then changed ones; compare the rows each time."""
    make = job.get("make", labelled)
    for names, failures in (
        (images(3), ["b1", "b2"]),
        (images(5), ["b1"]),
        ([*images(4), "b1"], []),
    ):
        output(root, names, failures, **job)
        kind.commit(root)
        assert kind.rows()[0] == make(*sorted(names)).to_pylist()
        assert kind.uris()[1] == failures
    assert [each.snapshot for each in kind.commit(root)] == [None, None]


_COLUMNS = labelled("a").schema


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(_COLUMNS, id="that of a part, whose columns are never null"),
        pytest.param(pa.schema(reversed([*_COLUMNS])), id="in another order"),
        pytest.param(_COLUMNS.set(1, pa.field("width", pa.int64())), id="wider integer"),
        pytest.param(_COLUMNS.set(4, pa.field("score", pa.float64())), id="wider float"),
        pytest.param(pa.schema([*_COLUMNS][:4]), id="some columns"),
    ],
)
def test_a_table_that_somebody_created_is_filled_as_it_is(
    tmp_path: Path, kind: Kind, schema: pa.Schema
) -> None:
    kind.create(schema)
    _three_commits(kind, tmp_path / "out")
    there = {field.name: field for field in kind.table().schema}
    for field in schema:
        if not pa.types.is_nested(field.type) and not pa.types.is_string(field.type):
            assert there[field.name].type == field.type
        assert there[field.name].nullable == field.nullable


def test_a_table_with_partitions_keeps_them(tmp_path: Path, kind: Kind) -> None:
    def named(*uris: str) -> pa.Table:
        table = labelled(*uris)
        return table.set_column(3, table.schema.field(3), pa.array([uri[:2] for uri in uris]))

    kind.create(_COLUMNS, partitioned_by="label")
    _three_commits(kind, tmp_path / "out", make=named)
    folders = {Path(file).parent.name for file in kind.files()}
    assert folders == {"label=a0", "label=b1"}


_KEPT: dict[str, tuple[object, pa.DataType]] = {
    "json.label": ("x", pa.string()),
    "two words": (1, pa.int8()),
    "__gone": (True, pa.bool_()),
    "price": (Decimal("1.25"), pa.decimal128(5, 2)),
    "when": (datetime(2020, 1, 2, tzinfo=timezone.utc), pa.timestamp("s", "Europe/Berlin")),
    "boxes": (
        [{"x": 1.5, "y": None}],
        pa.list_(pa.struct([("x", pa.float64()), ("y", pa.int8())])),
    ),
    "ids": ([("a", 1), ("b", 2)], pa.map_(pa.string(), pa.int32())),
    "digest": (b"abcd", pa.binary(4)),
}


def test_kept_columns_of_all_kinds_are_committed_whether_images_failed_or_not(
    tmp_path: Path, kind: Kind
) -> None:
    def make(*uris: str, rows: Callable[..., pa.Table] = labelled) -> pa.Table:
        table = rows(*uris)
        for name, (value, type_) in _KEPT.items():
            table = table.append_column(name, pa.array([value] * len(uris), type_))
        return table

    _three_commits(
        kind,
        tmp_path / "out",
        make=make,
        fail=partial(make, rows=failed),
        kept={name: str(type_) for name, (_, type_) in _KEPT.items()},
    )


def test_a_table_with_a_feature_that_the_library_cannot_write_is_no_conflict(
    tmp_path: Path,
) -> None:
    kind = DeltaKind(tmp_path / "lake")
    output(tmp_path / "out", images(3))
    kind.commit(tmp_path / "out")
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": []}
    log = tmp_path / "lake" / "labels" / "_delta_log" / f"{1:020}.json"
    log.write_text(json.dumps({"protocol": protocol | {"writerFeatures": ["rowTracking"]}}))
    output(tmp_path / "out", images(4))
    with pytest.raises(TableError, match=r"RowTracking\]\. The table uses what the library cannot"):
        kind.commit(tmp_path / "out")


def test_rows_that_break_a_rule_of_the_table_are_refused(tmp_path: Path) -> None:
    kind = DeltaKind(tmp_path / "lake")
    kind.create(_COLUMNS)
    DeltaTable(str(kind.place)).alter.add_constraint({"large": "width > 100"})
    output(tmp_path / "out", images(3))
    with pytest.raises(TableError, match=r"failed validation check\. The table has a rule that"):
        kind.commit(tmp_path / "out")
    assert kind.table().num_rows == 0


def test_a_name_that_delta_lake_reads_as_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"a%20b/labels: deltalake takes a percent sign"):
        DeltaKind(tmp_path / "a%20b").open()


def test_columns_that_differ_only_in_case_are_refused_by_delta_lake(tmp_path: Path) -> None:
    def make(*uris: str) -> pa.Table:
        return labelled(*uris).append_column("Label", pa.array(["x"] * len(uris)))

    root = tmp_path / "out"
    output(root, images(3), make=make, kept={"Label": "string"})
    reason = (
        r"cannot tell the columns 'label' and 'Label' apart\. Label again .*--keep Label=known_"
    )
    with pytest.raises(TableError, match=reason):
        DeltaKind(tmp_path / "lake").commit(root)
    assert not (tmp_path / "lake").exists()


def test_a_file_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("text")
    with pytest.raises(TableError, match=r"labels: is a file\. Choose another --delta"):
        DeltaKind(tmp_path).open()


def test_a_table_of_another_output_is_refused(tmp_path: Path, kind: Kind) -> None:
    for name in ("one", "two"):
        output(tmp_path / name, images(3, name))
    kind.commit(tmp_path / "one")
    with pytest.raises(
        TableError, match=re.escape(f"holds 3 rows that no commit of {tmp_path}/two wrote")
    ):
        kind.commit(tmp_path / "two")
    assert kind.uris() == (images(3, "one"), [])


def test_the_second_of_two_commits_at_once_writes_nothing(tmp_path: Path, kind: Kind) -> None:
    root = tmp_path / "out"
    output(root, images(3), ["bad"])
    created, late = kind.open(), kind.open()
    commit(root, *created)
    with pytest.raises(ConflictError, match="another commit"):
        commit(root, *late)
    assert kind.uris() == (images(3), ["bad"])
    output(root, images(5), ["bad"])
    first, second = kind.open(), kind.open()
    commit(root, *first)
    with pytest.raises(ConflictError, match="another commit changed the table at the same time"):
        commit(root, *second)
    assert kind.uris() == (images(5), ["bad"])
    output(root, images(4), [])
    first, second = kind.open(), kind.open()
    commit(root, *first)
    with pytest.raises(ConflictError, match="another commit changed the table at the same time"):
        commit(root, *second)
    assert kind.uris() == (images(4), [])
    kind.commit(root)
    assert len(kind.snapshots()) == 3


def test_an_unfinished_output_is_committed_only_on_request(tmp_path: Path, kind: Kind) -> None:
    root = tmp_path / "out"
    layout = output(root, images(5), ["bad"])
    layout.summary.unlink()
    with pytest.raises(OutputError, match=r"not complete: 6 images have a row.*to commit these 6"):
        kind.commit(root)
    assert changes(kind.commit(root, partial=True)) == [(5, 0, 5), (1, 0, 1)]
    [properties] = kind.snapshots()
    assert properties["imagebeam.complete"] == "false"
    output(root, images(6), ["bad"])
    assert changes(kind.commit(root)) == [(1, 0, 6), (0, 0, 1)]


def test_rows_that_the_summary_does_not_count_are_refused(tmp_path: Path, kind: Kind) -> None:
    layout = output(tmp_path / "out", images(5))
    parts.write_part(layout, "foreign", labelled("more.jpg"), failed())
    with pytest.raises(OutputError, match=r"its 6 rows are not the 5 that summary.json counts"):
        kind.commit(layout.root)


def test_a_damaged_part_is_named(tmp_path: Path, kind: Kind) -> None:
    layout = output(tmp_path / "out", images(5))
    part = sorted(layout.prediction_parts())[0]
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(DamagedPartError, match=re.escape(f"{part}: damaged")):
        kind.commit(layout.root)


def test_tfrecords_are_committed_like_parquet(tmp_path: Path, kind: Kind) -> None:
    root = tmp_path / "out"
    output(root, images(5), ["bad"], format="tfrecord")
    assert changes(kind.commit(root)) == [(5, 0, 5), (1, 0, 1)]
    assert kind.rows()[0] == labelled(*images(5)).to_pylist()


def test_an_output_without_rows_makes_empty_tables(tmp_path: Path, kind: Kind) -> None:
    root = tmp_path / "out"
    output(root, [], [])
    assert changes(kind.commit(root)) == [(0, 0, 0), (0, 0, 0)]
    assert kind.uris() == ([], [])
    assert [each.snapshot for each in kind.commit(root)] == [None, None]


def test_a_damaged_plan_of_an_unfinished_output_is_named(tmp_path: Path) -> None:
    layout = output(tmp_path / "out", ["a"])
    (tmp_path / "out" / "summary.json").unlink()
    (tmp_path / "out" / "job" / "plan.json").write_bytes(b"[]")
    reason = (
        rf"{re.escape(str(layout.plan))}: damaged \(not a JSON object\)\. Run the job's command"
    )
    with pytest.raises(OutputError, match=reason):
        CommitSource.open(layout.root, False, lambda *_: None)
