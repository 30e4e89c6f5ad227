"""Test the command `report` on real outputs, and the text of the page."""

import base64
import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imagebeam.outputs.identity import claim
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.report import thumbnails
from imagebeam.report.file_dates import GONE, UNKNOWN
from imagebeam.samples import ARCHIVE
from imagebeam.storage import AnyPath, location
from tests.beam_pipeline.jobs import archive, imagebeam
from tests.outputs.outputs import IDENTITY, claimed, failed, finish, labelled


def data(page: AnyPath) -> dict[str, Any]:
    """Return the data that the page's script receives."""
    [text] = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL
    )
    return dict(json.loads(text))


def output(root: Path, *uris: str) -> Layout:
    """Write a complete output with rows of these images."""
    layout = claimed(root)
    write_part(layout, "1", labelled(*uris), failed("gone"))
    finish(layout, uris, ["gone"], 1)
    return layout


def test_the_page_shows_the_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive(tmp_path / "in", 30, rubbish=3)
    out = tmp_path / "out"
    assert imagebeam("label", tmp_path / "in", "--output", out) == 0
    capsys.readouterr()
    assert imagebeam("report", out) == 0
    assert capsys.readouterr().out == f"30 labelled, 3 failed\npage     {out}/report.html\n"
    shown = data(out / "report.html")
    assert shown["all"]["images"] == sum(each["images"] for each in shown["classes"]) == 30
    assert len(shown["pictures"]) == 30
    for picture in shown["pictures"]:
        assert Path(picture["path"]).is_file()
        head, _, encoded = picture["thumbnail"].partition(",")
        assert head == "data:image/webp;base64"
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as thumbnail:
            assert (thumbnail.size, thumbnail.format) == ((160, 120), "WEBP")
    # The page is beside the rows and is not counted as a part.
    assert imagebeam("verify", out) == 0


def test_thumbnails_are_bounded_in_number(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 5)
    layout = output(tmp_path / "out", *names)
    assert imagebeam("report", layout.root, "--thumbnails", 3) == 0
    made = [each["thumbnail"] for each in data(layout.report)["pictures"]]
    assert [bool(thumbnail) for thumbnail in made] == [True] * 3 + [False] * 2
    note = "Pictures with thumbnails: 3. No more thumbnails were made because of --thumbnails 3."
    assert note in layout.report.read_text()


def test_no_thumbnails_reads_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = output(tmp_path / "out", *archive(tmp_path / "in", 2))
    monkeypatch.delattr(thumbnails, "ImageReader")
    assert (
        imagebeam("report", layout.root, "--no-thumbnails", "--output", tmp_path / "page.html") == 0
    )
    assert [each["thumbnail"] for each in data(tmp_path / "page.html")["pictures"]] == ["", ""]
    assert not layout.report.exists()


def test_unreadable_images_are_shown_by_name(tmp_path: Path, gcs_bucket: str) -> None:
    [name] = archive(tmp_path / "in", 1)
    broken = tmp_path / "broken.jpg"
    shutil.copy(ARCHIVE / "garden" / "IMG_3001.jpg", broken)
    gone = f"{gcs_bucket}/b.jpg"
    names = [name, str(broken), "/nowhere/a.jpg", gone, "javascript:alert(1)"]
    layout = output(tmp_path / "out", *names)
    assert imagebeam("report", layout.root) == 0
    shown = {each["path"]: each for each in data(layout.report)["pictures"]}
    assert [path for path, each in shown.items() if each["thumbnail"]] == [name]
    assert {path for path, each in shown.items() if each["date"] == GONE} == {
        "/nowhere/a.jpg",
        "javascript:alert(1)",
    }
    text = layout.report.read_text()
    note = "4 can no longer be read and are shown by name (3 not_found, 1 truncated)."
    assert note in text


def test_members_of_archives_have_thumbnails_but_no_link(tmp_path: Path) -> None:
    [name] = archive(tmp_path / "in", 1)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.write(name, "b.jpg")
    layout = output(tmp_path / "out", f"{tmp_path}/a.zip!/b.jpg")
    assert imagebeam("report", layout.root) == 0
    [shown] = data(layout.report)["pictures"]
    assert shown["thumbnail"].startswith("data:image/webp;base64,")
    assert (shown["name"], shown["date"]) == (f"{tmp_path}/a.zip!/b.jpg", UNKNOWN)


def test_making_thumbnails_has_a_time_limit(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 2)
    assert thumbnails.make(names, 2, max_seconds=-1.0) == thumbnails.Thumbnails(
        {}, {}, "after -1 s"
    )


def test_thumbnails_have_a_byte_limit(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 40)
    made = thumbnails.make(names, 40, max_bytes=100)
    assert sorted(made.encoded) == names[:32]
    assert made.stopped == "after 0 MB"


def test_tfrecord_rows_are_shown(tmp_path: Path) -> None:
    layout = claimed(tmp_path, "tfrecord")
    write_part(layout, "1", labelled("a", "b"), failed())
    finish(layout, "ab", [], 1)
    assert imagebeam("report", tmp_path) == 0
    assert sorted(each["path"] for each in data(layout.report)["pictures"]) == ["a", "b"]


def test_rows_without_labels_are_shown(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    claim(layout, IDENTITY | {"emit": ["features"]}, overwrite=False)
    schema = PredictionSchema(("features",), 2, None, {"module": "m"})
    sides = np.full(1, 8, np.int32)
    write_part(
        layout,
        "1",
        schema.table(["a"], sides, sides, None, None, np.ones((1, 3), np.float32)),
        failed(),
    )
    finish(layout, "a", [], 1)
    assert imagebeam("report", tmp_path) == 0
    shown = data(layout.report)
    assert (shown["classes"], shown["all"]["images"], len(shown["pictures"])) == ([], 1, 1)
    assert "The job wrote features but no labels" in layout.report.read_text()


def test_the_page_of_an_output_in_a_bucket_is_in_the_bucket(
    gcs_bucket: str, tmp_path: Path
) -> None:
    root = location(f"{gcs_bucket}/reported")
    layout = claimed(root)
    write_part(layout, "1", labelled(*archive(tmp_path / "in", 2)), failed())
    assert imagebeam("report", str(root)) == 0
    (tmp_path / "page.html").write_bytes(layout.report.read_bytes())
    shown = data(tmp_path / "page.html")["pictures"]
    assert [bool(each["thumbnail"]) for each in shown] == [True, True]


def test_an_unfinished_output_is_marked(tmp_path: Path) -> None:
    layout = output(tmp_path, "a")
    layout.summary.unlink()
    assert imagebeam("report", tmp_path) == 0
    text = layout.report.read_text()
    assert "The job is not complete: it was stopped or it failed." in text
    assert '<strong class="state open">not complete</strong>' in text


def test_an_empty_output_is_marked(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    assert imagebeam("report", tmp_path) == 0
    assert "The output holds no rows." in layout.report.read_text()


def test_a_damaged_output_is_shown_with_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = output(tmp_path, "a")
    layout.prediction_part("\n2").write_bytes(b"<script>rubbish")
    assert imagebeam("report", tmp_path) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"imagebeam: {layout.predictions}/part-␊2.parquet: damaged: ")
    assert captured.out == f"1 labelled, 1 failed\npage     {layout.report}\n"
    text = layout.report.read_text()
    assert '<strong class="state bad">damaged</strong>' in text
    assert "part-␊2.parquet: damaged: " in text


def test_a_folder_with_foreign_files_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagebeam("report", tmp_path) == 2
    assert f"{tmp_path}: not an output of imagebeam" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_negative_number_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert imagebeam("report", "out", "--thumbnails", "-1") == 2
    assert capsys.readouterr().err == "imagebeam: error: --thumbnails -1: give 0 or more.\n"
