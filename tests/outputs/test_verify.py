import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.layout import Format, Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.outputs.verify import verify
from imagebeam.storage import AnyPath
from tests.outputs.outputs import claimed, failed, finish, labelled


def sound(root: AnyPath, kind: Format = "parquet") -> Layout:
    """Return a complete output: a to d are labelled, e and f failed."""
    layout = claimed(root, kind)
    write_part(layout, "1", labelled("a", "b"), failed("e"))
    write_part(layout, "2", labelled("c", "d"), failed())
    write_part(layout, "3", labelled(), failed("f"))
    finish(layout, list("abcd"), list("ef"), 3)
    return layout


KINDS = pytest.mark.parametrize("kind", ["parquet", "tfrecord"])


@KINDS
def test_a_correct_output_has_no_problems(root: AnyPath, kind: Format) -> None:
    assert verify(sound(root, kind).root) == []


def test_an_output_without_images_has_no_problems(root: AnyPath) -> None:
    layout = claimed(root)
    finish(layout, [], [], 0)
    assert verify(root) == []


@KINDS
def test_an_image_in_two_prediction_parts_is_reported(root: AnyPath, kind: Format) -> None:
    layout = sound(root, kind)
    write_part(layout, "4", labelled("b"), failed())
    assert verify(root) == [
        f"{layout.prediction_part('4')}: 'b' has another row",
        f"{root}: 7 rows, but the summary states 6",
        f"{root}: the rows are not those of the images that the summary counts",
    ]


def test_an_image_in_predictions_and_errors_is_reported(root: AnyPath) -> None:
    layout = sound(root)
    write_part(layout, "3", labelled(), failed("a"))
    assert verify(root) == [
        f"{layout.prediction_part('1')}: 'a' has another row",
        f"{root}: the rows are not those of the images that the summary counts",
    ]


def test_an_image_twice_in_one_part_is_reported(root: AnyPath) -> None:
    layout = sound(root)
    write_part(layout, "2", labelled("c", "c"), failed())
    assert verify(root) == [
        f"{layout.prediction_part('2')}: 'c' has another row",
        f"{root}: the rows are not those of the images that the summary counts",
    ]


def test_only_the_first_names_of_many_are_shown(tmp_path: Path) -> None:
    layout = sound(tmp_path)
    many = [f"{index:03}" for index in range(100)]
    write_part(layout, "4", labelled(*many), failed())
    write_part(layout, "5", labelled(*many), failed())
    found = verify(tmp_path)
    expected = [f"{layout.prediction_part('5')}: '{name}' has another row" for name in many[:20]]
    assert found[:-2] == expected


@KINDS
def test_a_missing_part_is_reported(root: AnyPath, kind: Format) -> None:
    layout = sound(root, kind)
    layout.prediction_part("2").unlink()
    assert verify(root) == [
        f"{root}: 4 rows, but the summary states 6",
        f"{root}: the rows are not those of the images that the summary counts",
    ]


def test_images_that_differ_from_the_summary_are_reported(tmp_path: Path) -> None:
    layout = sound(tmp_path)
    write_part(layout, "2", labelled("c", "x"), failed())
    assert verify(tmp_path) == [
        f"{tmp_path}: the rows are not those of the images that the summary counts"
    ]


@KINDS
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_part_is_reported(root: AnyPath, kind: Format, share: float) -> None:
    layout = sound(root, kind)
    part = layout.prediction_part("2")
    data = part.read_bytes()
    part.write_bytes(data[: int(share * len(data))])
    found = verify(root)
    if share == 0 and kind == "tfrecord":
        # An empty file is a valid TFRecord file: only the summary shows that records are missing.
        assert found[0] == f"{root}: 4 rows, but the summary states 6"
    else:
        assert found[0].startswith(f"{part}: damaged: ")
    assert found[-1] == f"{root}: the rows are not those of the images that the summary counts"


def test_a_damaged_error_part_is_reported(tmp_path: Path) -> None:
    layout = sound(tmp_path)
    layout.error_part("3").write_bytes(b"rubbish")
    found = verify(tmp_path)
    assert found[0].startswith(f"{layout.error_part('3')}: damaged: ")
    assert len(found) == 3


def test_a_folder_in_place_of_a_part_is_reported(tmp_path: Path) -> None:
    layout = sound(tmp_path)
    layout.prediction_part("4").mkdir()
    assert verify(tmp_path) == [f"{layout.prediction_part('4')}: not a part"]


def test_foreign_files_are_reported(root: AnyPath) -> None:
    layout = sound(root)
    foreign = [
        layout.errors / "part-9.tfrecord",
        layout.predictions / ".part-9.parquet.1.tmp",
        layout.predictions / "notes.txt",
        layout.predictions / "part-9.tfrecord",
    ]
    for path in foreign:
        path.write_bytes(b"")
    assert sorted(verify(root)) == [f"{path}: not a part" for path in foreign]


@pytest.mark.parametrize(
    "table",
    [
        labelled("c", "d").drop_columns("top_k"),
        labelled("c", "d").append_column("x", pa.array([1, 2])),
        labelled("c", "d").rename_columns({"uri": "url"}),
        labelled("c", "d").cast(
            pa.schema(
                field.with_type(pa.int64()) if field.name == "width" else field
                for field in labelled().schema
            )
        ),
        PredictionSchema(("logits",), 1, None, {}).arrow().empty_table(),
        pa.table({"uri": [1, 2]}),
    ],
)
@pytest.mark.parametrize("shard", ["0", "2"])
def test_parts_with_other_columns_are_reported(tmp_path: Path, table: pa.Table, shard: str) -> None:
    layout = sound(tmp_path)
    layout.prediction_part("2").unlink()
    pq.write_table(table, layout.prediction_part(shard))
    assert verify(tmp_path) == [
        f"{layout.prediction_part(shard)}: its columns are not the expected ones",
        f"{tmp_path}: 4 rows, but the summary states 6",
        f"{tmp_path}: the rows are not those of the images that the summary counts",
    ]


def test_error_parts_with_other_columns_are_reported(tmp_path: Path) -> None:
    layout = sound(tmp_path)
    pq.write_table(pa.table({"uri": ["f"]}), layout.error_part("3"))
    found = verify(tmp_path)
    assert found[0] == f"{layout.error_part('3')}: its columns are not the expected ones"


def test_an_incomplete_job_is_reported(root: AnyPath) -> None:
    layout = sound(root)
    layout.summary.unlink()
    assert verify(root) == [
        f"{layout.summary}: missing: the job is not complete. Run its command to resume it."
    ]


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "3"])
def test_a_damaged_summary_is_reported(tmp_path: Path, content: str) -> None:
    layout = sound(tmp_path)
    layout.summary.write_bytes(content.encode())
    [finding] = verify(tmp_path)
    assert finding.startswith(f"{layout.summary}: damaged: ")


def test_a_changed_summary_is_reported(tmp_path: Path) -> None:
    layout = sound(tmp_path)
    summary = json.loads(layout.summary.read_text())
    layout.summary.write_bytes(json.dumps(summary | {"rows": 7}).encode())
    assert verify(tmp_path) == [f"{tmp_path}: 6 rows, but the summary states 7"]


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"format": "parquet"}'])
def test_a_folder_that_is_not_an_output_is_refused(root: AnyPath, content: str | None) -> None:
    if content is not None:
        (root / "job").mkdir(parents=True)
        (root / "job" / "identity.json").write_bytes(content.encode())
    with pytest.raises(OutputError) as caught:
        verify(root)
    assert str(caught.value).startswith(f"{root}: not an output of imagebeam (")
    assert str(caught.value).endswith("). Give the --output folder of a job.")
