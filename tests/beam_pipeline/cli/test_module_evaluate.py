import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from imagebeam.evaluation.accuracy import wilson_interval
from imagebeam.modules.metadata import Metadata, append_to_flatbuffer
from tests.beam_pipeline.colours import CLASSES, draw, write_module
from tests.beam_pipeline.jobs import imagebeam
from tests.modules.flatbuffers import echo


@pytest.fixture
def module(tmp_path: Path) -> Path:
    return write_module(tmp_path / "module.tflite")


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    draw(folder / "red" / "1.png", 255, 0, 0)
    draw(folder / "red" / "2.png", 200, 10, 20)
    draw(folder / "red" / "deep" / "er.png", 0, 10, 255)
    draw(folder / "blue" / "4.png", 0, 10, 255)
    (folder / "blue" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def _evaluated(capfd: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert imagebeam("module", "evaluate", *arguments, "--json") == 0
    return json.loads(capfd.readouterr().out)


def _refused(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert imagebeam("module", "evaluate", *arguments) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    return captured.err


def test_folders_of_classes_are_evaluated(
    module: Path, folders: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = _evaluated(capfd, module, folders)
    assert (result["module"], result["engine"], result["resize"]) == (str(module), "litert", "crop")
    assert sum(result["failed"].values()) == 1
    assert (result["images"], result["top_1"], result["top_5"]) == (4, 0.75, None)
    assert result["top_1_interval"] == list(wilson_interval(3, 4))
    by_class = {label: (of["images"], of["top_1"]) for label, of in result["classes"].items()}
    assert by_class == {"blue": (1, 1.0), "red": (3, pytest.approx(2 / 3))}


def test_a_table_is_printed(module: Path, folders: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert imagebeam("module", "evaluate", module, folders, "--resize", "stretch") == 0
    words = capfd.readouterr().out.split()
    assert " ".join(words) == (
        "class images top-1 "
        "blue 1 100.0% "
        "red 3 66.7% "
        f"{module} on litert, stretch "
        "top-1 75.0% of 4 images (95 % interval 30.1% to 95.4%) "
        "not decoded, not counted: 1 truncated"
    )


def test_a_csv_names_classes_by_name_synonym_or_number(
    tmp_path: Path, module: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    draw(tmp_path / "a[1].png", 255, 0, 0)
    draw(tmp_path / "b.png", 0, 255, 0)
    (tmp_path / "truth.csv").write_text(
        f'label,uri\nred,a[1].png\nverdant,b.png\n"green, verdant",{tmp_path}/c.png\n1,d.png\n'
    )
    for name in ("c.png", "d.png"):
        draw(tmp_path / name, 0, 255, 0)
    result = _evaluated(capfd, module, tmp_path / "truth.csv")
    assert (result["images"], result["top_1"]) == (4, 1.0)
    assert list(result["classes"]) == ["1", "green, verdant", "red", "verdant"]


def test_an_image_that_comes_again_counts_once(
    tmp_path: Path, module: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    draw(tmp_path / "a.png", 255, 0, 0)
    draw(tmp_path / "b.png", 0, 255, 0)
    truth = tmp_path / "truth.csv"
    lines = f"uri,label\na.png,red\nb.png,verdant\n{tmp_path}/a.png,red\n./b.png,1\n"
    truth.write_text(lines)
    result = _evaluated(capfd, module, truth)
    assert (result["images"], result["top_1"]) == (2, 1.0)
    truth.write_text(f"{lines}b.png,red\n")
    assert "b.png' has the labels 'verdant' and 'red'. Keep one" in _refused(capfd, module, truth)


@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl", "a.json", "a.parquet", "a.csv.gz", "a.arrow"])
def test_tables_of_every_kind_are_read(
    tmp_path: Path, module: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    draw(tmp_path / "a.png", 255, 0, 0)
    draw(tmp_path / "b.png", 0, 255, 0)
    rows = [{"uri": "a.png", "label": 0}, {"uri": "b.png", "label": 1}]
    path = tmp_path / name
    match name.partition(".")[2]:
        case "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        case "arrow":
            feather.write_feather(pa.Table.from_pylist(rows), path)
        case "csv.gz":
            path.write_bytes(gzip.compress(b"label,uri\n0,a.png\n\n1,b.png\n"))
        case "tsv":
            path.write_text("label\turi\n0\ta.png\n1\tb.png\n")
        case "json":
            path.write_text(json.dumps(rows))
        case "jsonl":
            path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    result = _evaluated(capfd, module, path)
    assert {label: of["top_1"] for label, of in result["classes"].items()} == {"0": 1.0, "1": 1.0}
    assert result["images"] == 2


def test_names_may_come_from_a_file(
    tmp_path: Path, module: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "names.txt").write_text("rouge\nvert\nbleu\n")
    draw(tmp_path / "images" / "vert" / "1.png", 0, 255, 0)
    arguments = (module, tmp_path / "images", "--labels", tmp_path / "names.txt")
    assert _evaluated(capfd, *arguments)["top_1"] == 1.0
    assert "matches no class" in _refused(capfd, module, tmp_path / "images")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "path,label\na.png,red\n",
            "no column `uri`; it has 'path', 'label'. Give a table with the columns uri and label",
        ),
        ("uri\na.png\n", "no column `label`; it has 'uri'. Give a table with the columns"),
        ("uri,label\na.png,\n", "line 2 lacks a label. Fill it in."),
        ("uri,label\n,red\n", "line 2: `uri` is '', not the name of an image. Correct it."),
        ("uri,label\na.png,red,blue\n", "line 2: 3 cells, the header has 2: 'a.png,red,blue'."),
        ("uri,label\n", "it has no labelled image"),
        ("uri,label\na.png,purple\n", "'purple': matches no class of the module"),
        ("uri,label\na.png,3\n", "'3': matches no class of the module"),
        (f"uri,label\na.png,{'3' * 5_000}\n", "3… matches no class of the module"),
        ("uri,label\nmissing.png,red\n", "none of its images can be decoded (1 not_found)"),
    ],
)
def test_a_csv_without_the_columns_is_refused(
    tmp_path: Path, module: Path, capfd: pytest.CaptureFixture[str], content: str, reason: str
) -> None:
    (tmp_path / "truth.csv").write_text(content)
    assert reason in _refused(capfd, module, tmp_path / "truth.csv")


def test_a_picture_beside_the_folders_is_refused(
    module: Path, folders: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    draw(folders / "stray.png", 0, 0, 0)
    assert "is beside the folders of classes" in _refused(capfd, module, folders)


def test_a_path_that_is_not_a_folder_is_refused(
    tmp_path: Path, module: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "nowhere': No such file" in _refused(capfd, module, tmp_path / "nowhere")
    (tmp_path / "list.txt").write_text("a.png\n")
    assert "no column `label`; it has no columns." in _refused(capfd, module, tmp_path / "list.txt")


def test_a_module_without_classes_is_refused(
    tmp_path: Path, folders: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "features.tflite").write_bytes(echo(names=("embedding",)))
    captured = _refused(capfd, tmp_path / "features.tflite", folders)
    assert "it provides only features. Give a module with classes." in captured


def test_a_name_of_two_classes_is_refused(
    tmp_path: Path, module: Path, folders: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "names.txt").write_text("red\nblue\nblue\n")
    captured = _refused(capfd, module, folders, "--labels", tmp_path / "names.txt")
    assert "'blue': matches classes 1, 2 of the module" in captured


def test_the_published_flatbuffer_is_evaluated_on_photos(
    tmp_path: Path, reference: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Top-1 as the README of the reference data lists it for stretched photos.
    expected = {
        "bird.bmp": "chickadee",
        "cat.bmp": "Egyptian cat",
        "cat_720p.jpg": "Egyptian cat",
        "hot_dog.jpg": "hotdog",
        "parrot.jpg": "macaw",
        "sunflower.bmp": "daisy",
        "grace_hopper.bmp": "academic gown",
    }
    lines = [f"{reference / 'photos' / name},{label}" for name, label in expected.items()]
    (tmp_path / "truth.csv").write_text("\n".join(["uri,label", *lines]))
    module = reference / "mobilenet_v1_0.5_160_quant.tflite"
    result = _evaluated(capfd, module, tmp_path / "truth.csv", "--resize", "stretch")
    assert (result["images"], result["top_1"], result["failed"]) == (7, 1.0, {})


def test_an_unknown_input_range_is_found_from_pictures(
    tmp_path: Path, folders: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    metadata = Metadata(classes=CLASSES, outputs={"logits": 0})
    module = tmp_path / "unstated.tflite"
    module.write_bytes(append_to_flatbuffer(echo((1, 1, 1, 3), ((1, 3),)), metadata))
    assert imagebeam("module", "evaluate", module, folders) == 0
    shown = capfd.readouterr().out
    # The order of three colours is the same in every range.
    lines = [line.split("  ") for line in shown.splitlines()]
    counts = {words[1]: words[-1].strip() for words in lines if words[0] == "" and len(words) > 2}
    assert counts == {
        "--input-range 0 255": "3 of 4",
        "--input-range 0 1": "3 of 4",
        "--input-range -1 1": "3 of 4",
        "--mean 123.675,116.28,103.53 --std 58.395,57.12,57.375": "3 of 4",
        # Blue comes first there.
        "--mean 103.939,116.779,123.68 --std 1 --channels bgr": "1 of 4",
    }
    assert "The pictures do not show which range is right. Give more of them." in shown
    result = _evaluated(capfd, module, folders, "--input-range", "-1", "1")
    assert result["input_range"] == [-1.0, 1.0]
