import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from imagebeam.outputs.errors import DamagedPartError, OutputError
from imagebeam.outputs.exports.table import export_table
from imagebeam.outputs.layout import Format, Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.reading import Output, Selection
from imagebeam.outputs.run_token import RunToken
from imagebeam.storage import AnyPath
from tests.outputs.outputs import CLASSES, below, claimed, failed, labelled, named

KINDS = pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
IMAGES = {
    "/a/1.jpg": 0,
    "/a/2.jpg": 1,
    "=cmd|'/c calc'!A0": 2,
    '/a/x,\n"y".jpg': 3,
    "/a/\u00e4.jpg": 4,
}


def lines(path: AnyPath) -> list[list[str]]:
    assert isinstance(path, Path)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@KINDS
def test_a_csv_file_has_one_row_per_image(root: AnyPath, tmp_path: Path, kind: Format) -> None:
    named(root, IMAGES, kind)
    assert export_table(Output.open(root), tmp_path / "t.csv", Selection()) == 5
    header, *rows = lines(tmp_path / "t.csv")
    assert header == ["uri", "width", "height", "label", "score"]
    assert sorted(rows) == sorted(
        [
            ["/a/1.jpg", "8", "9", CLASSES[0], "0.75"],
            ["/a/2.jpg", "8", "9", CLASSES[1], "0.75"],
            ["'=cmd|'/c calc'!A0", "8", "9", "'=HYPERLINK(1)", "0.75"],
            ['/a/x,\n"y".jpg', "8", "9", CLASSES[3], "0.75"],
            ["/a/\u00e4.jpg", "8", "9", CLASSES[4], "0.75"],
        ]
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b"])
def test_no_text_in_a_csv_file_is_a_formula(tmp_path: Path, start: str) -> None:
    named(tmp_path / "out", {f"{start}1+1": 0})
    export_table(Output.open(tmp_path / "out"), tmp_path / "t.csv", Selection(), ["uri"])
    assert lines(tmp_path / "t.csv") == [["uri"], [f"'{start}1+1"]]
    export_table(Output.open(tmp_path / "out"), tmp_path / "t.jsonl", Selection(), ["uri"])
    assert json.loads((tmp_path / "t.jsonl").read_bytes()) == {"uri": f"{start}1+1"}


@KINDS
def test_several_classes_per_image_are_exported(
    root: AnyPath, tmp_path: Path, kind: Format
) -> None:
    named(root, {"a": 1}, kind)
    output = Output.open(root)
    export_table(output, tmp_path / "t.csv", Selection(top=2), ["uri", "label"])
    assert lines(tmp_path / "t.csv") == [
        ["uri", "label", "label_2", "score_2"],
        ["a", "tiger", CLASSES[0], "0.0625"],
    ]
    export_table(output, tmp_path / "t.jsonl", Selection(top=2), ["uri", "top_k"])
    best = [{"label": "tiger", "score": 0.75}, {"label": CLASSES[0], "score": 0.0625}]
    assert json.loads((tmp_path / "t.jsonl").read_bytes()) == {
        "uri": "a",
        "top_k": [{"class": 1, **best[0]}, {"class": 0, **best[1]}],
        "labels": best,
    }


def test_columns_beyond_the_kept_classes_are_empty(tmp_path: Path) -> None:
    named(tmp_path / "out", {"a": 1})
    target = tmp_path / "t.csv"
    selection = Selection(top=4, min_score=0.5)
    export_table(Output.open(tmp_path / "out"), target, selection, ["uri"])
    header, row = lines(target)
    assert header == ["uri", "label_2", "score_2", "label_3", "score_3", "label_4", "score_4"]
    assert row == ["a", "", "", "", "", "", ""]


def test_rows_are_selected_by_label_and_score(tmp_path: Path) -> None:
    named(tmp_path / "out", IMAGES)
    output = Output.open(tmp_path / "out")
    target = tmp_path / "t.jsonl"
    selection = Selection(("TIGER", "katze \u00e4\u00f6"))
    assert export_table(output, target, selection, ["uri"]) == 2
    assert [json.loads(line)["uri"] for line in target.read_text().splitlines()] == [
        "/a/\u00e4.jpg",
        "/a/2.jpg",
    ]
    assert export_table(output, target, Selection(min_score=0.8), overwrite=True) == 0
    assert target.read_bytes() == b""


def test_pandas_reads_the_rows_of_the_output(tmp_path: Path) -> None:
    named(tmp_path / "out", {f"/a/{index}.jpg": index % 2 for index in range(3000)})
    assert export_table(Output.open(tmp_path / "out"), tmp_path / "t.csv", Selection()) == 3000
    read = pd.read_csv(tmp_path / "t.csv")
    assert sorted(read["uri"]) == sorted(f"/a/{index}.jpg" for index in range(3000))
    assert read["score"].tolist() == [0.75] * 3000


def refusal(root: AnyPath, target: AnyPath, selection: Selection, *columns: str) -> str:
    with pytest.raises(OutputError) as caught:
        export_table(Output.open(root), target, selection, columns)
    return str(caught.value)


def test_an_unknown_label_suggests_similar_ones_and_writes_nothing(tmp_path: Path) -> None:
    named(tmp_path / "out", IMAGES)
    target = tmp_path / "t.csv"
    assert refusal(tmp_path / "out", target, Selection(("tabi",))) == (
        f"'tabi': no image in {tmp_path}/out has this label. Most similar: {CLASSES[0]}."
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_an_output_that_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    root = named(tmp_path / "out", IMAGES).root
    target = tmp_path / "t.csv"
    assert refusal(root, target, Selection(), "lable") == (
        f"{root}: has no column 'lable', which --columns needs. Did you mean label?."
    )
    assert "unknown format. Use a name that ends in .csv or .jsonl." in refusal(
        root, tmp_path / "t.xlsx", Selection()
    )
    assert "where only jobs may write" in refusal(root, root / "errors" / "t.csv", Selection())
    target.write_text("mine")
    assert refusal(root, target, Selection()) == (
        f"{target}: exists already. Choose another name, or use --overwrite to replace it."
    )
    assert target.read_text() == "mine"
    assert below(root) == below(named(tmp_path / "again", IMAGES).root) | {
        name: data for name, data in below(root).items() if name.startswith("job/")
    }


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_a_folder_that_is_not_an_output_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="not an output of imagebeam"):
        Output.open(tmp_path / name)


@pytest.mark.parametrize("garbage", [b"", b"PAR1 nothing PAR1", b"\0" * 99])
def test_a_damaged_part_leaves_no_table(tmp_path: Path, garbage: bytes) -> None:
    layout = named(tmp_path / "out", IMAGES)
    assert isinstance(layout.predictions, Path)
    (layout.predictions / "part-9.parquet").write_bytes(garbage)
    with pytest.raises(DamagedPartError, match="part-9"):
        export_table(Output.open(tmp_path / "out"), tmp_path / "t.csv", Selection())
    assert not (tmp_path / "t.csv").exists()


def test_an_unfinished_output_exports_the_rows_so_far(tmp_path: Path) -> None:
    layout = claimed(tmp_path / "out")
    write_part(layout, "1", labelled("a", "b"), failed("c"))
    output = Output.open(tmp_path / "out")
    assert not output.is_complete
    assert export_table(output, tmp_path / "t.csv", Selection()) == 2


def test_an_output_that_changes_during_the_export_is_refused(tmp_path: Path) -> None:
    layout: Layout = named(tmp_path / "out", IMAGES)
    rows = Output.open(tmp_path / "out").rows(["uri"])
    next(rows)
    RunToken(layout).claim()
    with pytest.raises(OutputError, match="was written to meanwhile"):
        list(rows)
