import fcntl
import json
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.outputs.account import Plan
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.files import write_whole
from imagebeam.outputs.identity import claim
from imagebeam.outputs.layout import Format, Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.report import contents
from imagebeam.report.data import by_importance
from imagebeam.report.file_dates import GONE
from imagebeam.storage import AnyPath
from tests.outputs.outputs import IDENTITY, claimed, failed, finish, labelled

NAMES = ("cat", "dog", "fish")
SCHEMA = PredictionSchema(("labels",), 2, NAMES, {"module": "m", "versions": {"imagebeam": "1"}})


def answers(rows: dict[str, tuple[int, float]], schema: PredictionSchema = SCHEMA) -> pa.Table:
    """Return rows of images with a best class and its score."""
    scores = np.zeros((len(rows), len(NAMES)), np.float32)
    for place, (best, score) in enumerate(rows.values()):
        scores[place, best] = score
    sides = np.full(len(rows), 8, np.int32)
    return schema.table(list(rows), sides, sides, scores, scores, scores)


def uris(rows: Any) -> list[str]:
    return [row["uri"] for row in rows]


KINDS = pytest.mark.parametrize("kind", ["parquet", "tfrecord"])


@KINDS
def test_rows_are_counted_by_class_score_and_code(root: AnyPath, kind: Format) -> None:
    layout = claimed(root, kind)
    write_part(layout, "1", answers({"a": (1, 0.96875), "b": (0, 0.5)}), failed("e", "f"))
    write_part(layout, "2", answers({"c": (1, 1.0), "d": (1, 0.53125)}), failed())
    write_part(layout, "3", answers({}), failed("g", code="corrupt", retryable=False))
    finish(layout, list("abcd"), list("efg"), 3)
    found = contents.read(root)
    assert found.findings == []
    assert (found.labelled, found.failed) == (4, 3)
    dog, cat = found.classes
    assert (dog.name, dog.images, dog.mean_score) == ("dog", 3, 2.5 / 3)
    assert dog.histogram == [0] * 10 + [1] + [0] * 8 + [2]
    assert (cat.name, cat.images, cat.histogram) == ("cat", 1, [0] * 10 + [1] + [0] * 9)
    assert found.all_classes.histogram == [0] * 10 + [2] + [0] * 8 + [2]
    assert found.all_classes.mean_score == 0.75
    assert uris(dog.pictures.least_sure) == ["d", "a", "c"]
    assert uris(dog.pictures.most_sure) == ["c", "a", "d"]
    assert sorted(uris(dog.pictures.sample)) == ["a", "c", "d"]
    assert uris(found.all_classes.pictures.least_sure) == ["b", "d", "a", "c"]
    row = dog.pictures.most_sure[0]
    assert row.pop("written") > 0
    assert [entry["label"] for entry in row.pop("top_k")] == ["dog", "cat"]
    assert row == {
        "uri": "c",
        "row": 2,
        "date": GONE,
        "width": 8,
        "height": 8,
        "label": "dog",
        "score": 1.0,
    }
    assert [(each.code, each.images, each.stage, each.retryable) for each in found.failures] == [
        ("not_found", 2, "fetch", True),
        ("corrupt", 1, "fetch", False),
    ]
    assert sorted(uris(found.failures[0].examples)) == ["e", "f"]
    assert sorted(part.rows for part in found.parts) == [1, 2, 2, 2]


def test_counts_are_those_of_arrow_on_many_rows(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    lots = random.Random(0)
    names = [f"{index:05}" for index in range(3000)]
    rows = {name: (lots.randrange(3), lots.random()) for name in names}
    for start in range(0, len(names), 300):
        write_part(
            layout, f"{start}", answers({n: rows[n] for n in names[start : start + 300]}), failed()
        )
    finish(layout, names, [], 10)
    table = pa.concat_tables(map(pq.read_table, layout.prediction_parts()))
    found = contents.read(tmp_path)
    expected = {
        entry["values"]: entry["counts"] for entry in table["label"].value_counts().to_pylist()
    }
    assert {each.name: each.images for each in found.classes} == expected
    for each in found.classes:
        of_class = table.filter(pa.compute.equal(table["label"], each.name))
        scores = of_class["score"].to_numpy()
        assert each.histogram == np.histogram(scores, 20, (0, 1))[0].tolist()
        assert each.mean_score == pytest.approx(scores.mean(), abs=1e-6)
        assert len(set(uris(each.pictures.sample))) == 12
        assert set(uris(each.pictures.sample)) <= set(of_class["uri"].to_pylist())
        ordered = of_class.sort_by("score")["uri"].to_pylist()
        assert uris(each.pictures.least_sure) == ordered[:12]
        assert uris(each.pictures.most_sure) == ordered[:-13:-1]
    ordered = table.sort_by("score")["uri"].to_pylist()
    assert uris(found.all_classes.pictures.least_sure) == ordered[:12]


def test_the_same_output_gives_the_same_sample(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    for part in range(9):
        write_part(
            layout, f"{part}", labelled(*(f"{part}-{index}" for index in range(9))), failed()
        )
    first, second = contents.read(tmp_path), contents.read(tmp_path)
    assert first.all_classes == second.all_classes
    assert len(first.all_classes.pictures.sample) == 12


def test_pictures_are_ordered_by_importance_without_duplicates(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    many = {f"dog-{index:02}": (1, 0.5) for index in range(40)}
    write_part(layout, "1", answers(many | {"fish": (2, 0.75), "cat": (0, 0.75)}), failed())
    found = contents.read(tmp_path)
    order = uris(by_importance(found))
    assert len(order) == len(set(order))
    sample = uris(found.all_classes.pictures.sample)
    assert order[:12] == sample
    dogs = [name for name in uris(found.classes[0].pictures.sample) if name not in sample]
    assert order[12 : 12 + len(dogs)] == dogs
    assert {"cat", "fish"} <= {*order}


def test_an_output_without_labels_has_no_classes(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    claim(layout, IDENTITY | {"emit": ["logits", "features"]}, overwrite=False)
    schema = PredictionSchema(("logits", "features"), 2, NAMES, {"module": "m"})
    write_part(layout, "1", answers({"a": (0, 1), "b": (1, 1)}, schema), failed())
    found = contents.read(tmp_path)
    assert (found.labelled, found.classes, found.findings) == (2, [], [])
    assert found.all_classes.mean_score is None
    assert found.all_classes.histogram == []
    assert sorted(uris(found.all_classes.pictures.sample)) == ["a", "b"]
    assert found.provenance == json.loads(layout.identity.read_text())


def test_an_output_without_rows_is_empty(tmp_path: Path) -> None:
    claimed(tmp_path)
    found = contents.read(tmp_path)
    assert (found.labelled, found.failed, found.summary, found.plan) == (0, 0, None, None)
    assert (found.findings, found.is_running) == ([], False)
    assert found.provenance["module"] == "m"


def test_the_plan_gives_the_number_of_missing_images(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    plan = Plan(requested=9, seen=9, to_do=9, rows=9)
    plan.write(layout)
    write_part(layout, "1", labelled("a"), failed())
    found = contents.read(tmp_path)
    assert (found.plan, found.summary, found.findings) == (plan, None, [])


def test_a_job_that_holds_the_lock_is_running(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    folder = os.open(str(layout.root), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        assert contents.read(tmp_path).is_running
    finally:
        os.close(folder)
    assert not contents.read(tmp_path).is_running


@KINDS
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_damaged_part_is_reported_and_the_rest_is_counted(
    tmp_path: Path, kind: Format, share: float
) -> None:
    layout = claimed(tmp_path, kind)
    for shard in "123":
        write_part(layout, shard, labelled(f"a{shard}", f"b{shard}"), failed(f"c{shard}"))
    finish(layout, ["a1", "b1", "a2", "b2", "a3", "b3"], ["c1", "c2", "c3"], 3)
    for part in (layout.prediction_part("2"), layout.error_part("3")):
        part.write_bytes(part.read_bytes()[: int(share * part.stat().st_size)])
    found = contents.read(tmp_path)
    damaged, also_damaged, count = found.findings
    assert damaged.startswith(f"{layout.prediction_part('2')}: damaged: ")
    assert also_damaged.startswith(f"{layout.error_part('3')}: damaged: ")
    assert count == (
        "6 rows were counted, but the summary states 9. Run `imagebeam verify` for details."
    )
    assert (found.labelled, found.failed) == (4, 2)


def test_columns_of_another_type_are_reported(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    write_part(layout, "1", labelled("a"), failed("b"))
    pq.write_table(pa.table({"uri": ["x"]}), layout.prediction_part("2"))
    pq.write_table(pa.table({"uri": ["x"]}), layout.error_part("2"))
    found = contents.read(tmp_path)
    assert found.findings == [
        f"{layout.prediction_part('2')}: its columns are not the expected ones",
        f"{layout.error_part('2')}: its columns are not the expected ones",
    ]
    assert (found.labelled, found.failed) == (1, 1)


def test_kept_manifest_columns_are_ignored(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    schema = replace(SCHEMA, kept={"label_of_mine": pa.string()})
    write_part(
        layout,
        "1",
        answers({"a": (0, 0.5)}, schema),
        schema.errors([("b", "fetch", "not_found", "message", True, ("x",))]),
    )
    found = contents.read(tmp_path)
    assert (found.findings, found.labelled, found.failed) == ([], 1, 1)


def test_names_that_are_not_text_are_reported(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    table = labelled("a", "\N{SNOWMAN}")
    index = table.schema.get_field_index("uri")
    bad = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.array([0, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(b"a\xff")]
    )
    pq.write_table(
        table.set_column(index, table.schema.field("uri"), bad), layout.prediction_part("1")
    )
    [finding] = contents.read(tmp_path).findings
    assert finding.startswith(f"{layout.prediction_part('1')}: damaged: ")
    assert "UTF8" in finding


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "3", '{"rows": 1}'])
def test_a_damaged_summary_is_ignored(tmp_path: Path, content: str) -> None:
    layout = claimed(tmp_path)
    write_part(layout, "1", labelled("a"), failed())
    layout.summary.write_bytes(content.encode())
    found = contents.read(tmp_path)
    [finding] = found.findings
    assert finding.startswith(f"{layout.summary}: damaged: ")
    assert (found.summary, found.labelled) == (None, 1)


def test_scores_outside_0_to_1_are_counted_in_the_outer_bins(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    write_part(layout, "1", answers({"a": (0, 0.5)}), failed())
    table = pq.read_table(layout.prediction_part("1"))
    odd = pa.concat_tables([table] * 3).set_column(
        table.schema.get_field_index("score"),
        table.schema.field("score"),
        pa.array([float("nan"), float("inf"), -3], pa.float32()),
    )
    write_whole(layout.prediction_part("1"), b"")
    pq.write_table(odd, layout.prediction_part("1"))
    [cat] = contents.read(tmp_path).classes
    assert cat.histogram == [2] + [0] * 18 + [1]


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"format": "parquet"}'])
def test_a_folder_that_is_not_an_output_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "job").mkdir()
        (tmp_path / "job" / "identity.json").write_text(content)
    with pytest.raises(OutputError, match="not an output of imagebeam"):
        contents.read(tmp_path)


def test_overwriting_an_output_removes_its_page(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    layout.report.write_bytes(b"<title>before - imagebeam report</title>")
    claim(layout, json.loads(layout.identity.read_text()), overwrite=True)
    assert not layout.report.exists()
