import os
from pathlib import Path

import pytest

from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.exports.label_folders import export_folders, folder_name
from imagebeam.outputs.reading import Output, Selection
from tests.outputs.outputs import CLASSES, named


def test_images_are_sorted_into_a_folder_per_label(tmp_path: Path) -> None:
    images = {}
    for index, name in enumerate(("1/a.jpg", "2/a.jpg", "2/b.jpg")):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        images[str(path)] = 0 if index < 2 else 3
    named(tmp_path / "out", images | {"gs://bucket/c.jpg": 0, "/gone.jpg": 0})
    output = Output.open(tmp_path / "out")
    for target, copy in ((tmp_path / "links", False), (tmp_path / "copies", True)):
        result = export_folders(output, target, Selection(), copy)
        assert result.done == 3
        assert sorted(result.problems) == [
            "/gone.jpg: the image no longer exists.",
            "gs://bucket/c.jpg: it is not a file of this machine.",
        ]
        files = sorted(path for path in target.rglob("*") if not path.is_dir())
        assert {path.parent.name for path in files} == {CLASSES[0], folder_name(CLASSES[3])}
        assert sorted(path.read_text() for path in files) == ["1/a.jpg", "2/a.jpg", "2/b.jpg"]
        assert [path.is_symlink() for path in files] == [not copy] * 3


@pytest.mark.parametrize("label", ["..", ".", "", "a/b", "/etc", "x" * 300, "nul\0", "a. ", "C:\\"])
def test_a_label_never_leads_out_of_its_folder(label: str, tmp_path: Path) -> None:
    name = folder_name(label)
    assert os.path.basename(name) == name
    (tmp_path / name).mkdir()
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()


def test_an_empty_folder_is_filled_and_stays_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    named(tmp_path / "out", {str(tmp_path / "a.jpg"): 0})
    target = tmp_path / "mounted"
    target.mkdir()
    (tmp_path / "link").symlink_to(target)
    before = target.stat().st_ino
    result = export_folders(Output.open(tmp_path / "out"), tmp_path / "link", Selection(), False)
    assert result.done == 1
    assert target.stat().st_ino == before
    assert os.listdir(target) == [CLASSES[0]]


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    named(tmp_path / "out", {"a": 0})
    output = Output.open(tmp_path / "out")
    with pytest.raises(OutputError, match="is not empty"):
        export_folders(output, tmp_path, Selection(), False)
    with pytest.raises(OutputError, match="Choose a folder that can be written"):
        export_folders(output, tmp_path / "out/summary.json/x", Selection(), False)
