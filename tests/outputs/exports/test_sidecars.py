import json
import os
import shutil
from pathlib import Path

import pytest

from imagebeam.outputs import lock
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.exports.sidecars import Result, SidecarOptions, undo_sidecars, write_sidecars
from imagebeam.outputs.exports.xmp import FLAT, HIERARCHICAL
from imagebeam.outputs.reading import Output, Selection
from imagebeam.storage import uris
from tests.outputs.exports.test_xmp import OWN, words
from tests.outputs.outputs import CLASSES, below, named, storage_that_goes_after


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Return images in folders, one of which has a name that is not UTF-8."""
    names = [b"a.jpg", b"b/c.jpg", b"b/\xff.jpg", b"b/c.png"]
    paths = [Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name)) for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture")
    return paths


def made(root: Path, photos: list[Path]) -> Output:
    named(root, {uris.from_path(str(path)): index % 2 for index, path in enumerate(photos)})
    return Output.open(root)


def export(output: Output, **options: object) -> Result:
    selection = Selection(min_score=0.5)
    return write_sidecars(output, selection, SidecarOptions(**options))  # type: ignore[arg-type]


def tree(folder: Path) -> dict[str, bytes]:
    found = below(folder)
    return found | {str(path) + "/": b"" for path in folder.rglob("*") if path.is_dir()}


def test_a_folder_that_cannot_be_written_to_has_a_way_out(
    tmp_path: Path, photos: list[Path]
) -> None:
    # The kernel allows no user to write there, not even root.
    result = export(made(tmp_path / "out", photos), mirror=Path("/sys/kernel"))
    assert (result.done, len(result.problems)) == (0, 4)
    for problem in result.problems:
        assert problem.startswith("/sys/kernel/")
        assert problem.endswith(
            ". Write the sidecars to a folder of their own: --xmp-folder FOLDER."
        )


def test_each_image_gets_a_sidecar_beside_it_and_undo_removes_them(
    tmp_path: Path, photos: list[Path]
) -> None:
    output, before = made(tmp_path / "out", photos), tree(tmp_path / "in")
    assert export(output, prefix="ai") == Result(done=4)
    for index, path in enumerate(photos):
        data = path.with_name(f"{path.name}.xmp").read_bytes()
        label = CLASSES[index % 2]
        assert (words(data, FLAT), words(data, HIERARCHICAL)) == ([label], [f"ai|{label}"])
        assert path.read_bytes() == b"picture"
    assert export(output, prefix="ai") == Result(unchanged=4)
    assert undo_sidecars(output.layout) == Result(done=4)
    assert tree(tmp_path / "in") == before
    with pytest.raises(OutputError, match="no sidecars to undo"):
        undo_sidecars(output.layout)


def test_a_second_export_replaces_the_first(tmp_path: Path, photos: list[Path]) -> None:
    output, before = made(tmp_path / "out", photos), tree(tmp_path / "in")
    export(output, prefix="old")
    assert export(output, prefix="new") == Result(done=4)
    data = photos[0].with_name("a.jpg.xmp").read_bytes()
    assert words(data, HIERARCHICAL) == [f"new|{CLASSES[0]}"]
    assert undo_sidecars(output.layout) == Result(done=4)
    assert tree(tmp_path / "in") == before


def test_a_foreign_sidecar_is_left_alone_or_merged_and_restored(
    tmp_path: Path, photos: list[Path]
) -> None:
    sidecar = photos[0].with_name("a.jpg.xmp")
    sidecar.write_bytes(OWN)
    output, before = made(tmp_path / "out", photos), tree(tmp_path / "in")
    result = export(output)
    assert (result.done, len(result.problems)) == (3, 1)
    assert result.problems[0].startswith(f"{photos[0]}: it exists already. Use --merge")
    assert sidecar.read_bytes() == OWN
    assert export(output, merge=True) == Result(done=1, unchanged=3)
    assert words(sidecar.read_bytes(), FLAT) == ["holiday & sea", "tiger", CLASSES[0]]
    assert export(output, merge=True) == Result(unchanged=4)
    assert undo_sidecars(output.layout).done == 4
    assert tree(tmp_path / "in") == before


def test_edited_sidecars_are_left_alone(tmp_path: Path, photos: list[Path]) -> None:
    output = made(tmp_path / "out", photos)
    export(output)
    sidecar = photos[0].with_name("a.jpg.xmp")
    sidecar.write_bytes(OWN)
    assert "it was changed since it was written" in export(output, merge=True).problems[0]
    undone = undo_sidecars(output.layout)
    assert (undone.done, len(undone.problems)) == (3, 1)
    assert sidecar.read_bytes() == OWN
    sidecar.unlink()
    assert undo_sidecars(output.layout) == Result()
    assert sorted(path.name for path in (tmp_path / "out/job").iterdir()) == ["identity.json"]


def test_a_mirror_folder_receives_the_sidecars_of_all_images(tmp_path: Path) -> None:
    images = {"/photos/a.jpg": 0, "gs://bucket/b.jpg": 1, "/x.zip!/../../c.jpg": 1}
    named(tmp_path / "out", images)
    output, mirror = Output.open(tmp_path / "out"), tmp_path / "some" / "mirror"
    assert export(output, mirror=mirror) == Result(done=3)
    assert sorted(below(mirror)) == [
        "gs/bucket/b.jpg.xmp",
        "photos/a.jpg.xmp",
        "x.zip/_/_/c.jpg.xmp",
    ]
    assert undo_sidecars(output.layout) == Result(done=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_images_without_a_folder_for_sidecars_are_reported(tmp_path: Path) -> None:
    named(tmp_path / "out", {"/gone.jpg": 0, "gs://bucket/b.jpg": 1, "/x.zip!/c.jpg": 1})
    assert sorted(export(Output.open(tmp_path / "out")).problems) == [
        "/gone.jpg: the image no longer exists.",
        "/x.zip!/c.jpg: it is not a file of this machine. Use --xmp-folder to write sidecars "
        "elsewhere.",
        "gs://bucket/b.jpg: it is not a file of this machine. Use --xmp-folder to write sidecars "
        "elsewhere.",
    ]


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_only_regular_files_are_read_or_replaced(
    tmp_path: Path, photos: list[Path], kind: str
) -> None:
    sidecar = photos[0].with_name("a.jpg.xmp")
    victim = tmp_path / "victim"
    victim.write_bytes(OWN)
    match kind:
        case "link":
            sidecar.symlink_to(victim)
        case "fifo":
            os.mkfifo(sidecar)
        case "folder":
            sidecar.mkdir()
    output = made(tmp_path / "out", photos)
    result = export(output, merge=True)
    assert (result.done, len(result.problems)) == (3, 1)
    assert str(sidecar) in result.problems[0]
    assert victim.read_bytes() == OWN
    undo_sidecars(output.layout)
    assert os.path.lexists(sidecar)


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path, photos: list[Path]) -> None:
    output = made(tmp_path / "out", photos)
    with storage_that_goes_after(0, tmp_path / "in" / "b"):
        result = export(output)
    assert (result.done, len(result.problems)) == (1, 3)
    assert all(problem.endswith(": the storage is gone.") for problem in result.problems)


def test_after_a_kill_undo_restores_the_tree(tmp_path: Path, photos: list[Path]) -> None:
    photos[0].with_name("a.jpg.xmp").write_bytes(OWN)
    output, before = made(tmp_path / "out", photos), tree(tmp_path / "in")
    for changes in range(20):
        for folder in (tmp_path / "in", tmp_path / "out"):
            try:
                with storage_that_goes_after(changes, folder):
                    export(output, merge=True)
            except (OSError, OutputError):
                pass
            journal = tmp_path / "out/job/sidecars.jsonl"
            if journal.exists():
                undo_sidecars(output.layout)
            assert tree(tmp_path / "in") == before


def test_what_a_killed_export_left_is_removed_by_the_next(
    tmp_path: Path, photos: list[Path]
) -> None:
    output = made(tmp_path / "out", photos)
    export(output)
    (left := photos[0].with_name(f".a.jpg.xmp.{32 * '0'}.tmp")).touch()
    (foreign := photos[0].with_name(f".b.jpg.xmp.{32 * '0'}.tmp")).touch()
    assert export(output) == Result(unchanged=4)
    assert not left.exists()
    assert foreign.exists()


def test_a_truncated_journal_is_continued(tmp_path: Path, photos: list[Path]) -> None:
    output, before = made(tmp_path / "out", photos), tree(tmp_path / "in")
    journal = tmp_path / "out/job/sidecars.jsonl"
    journal.write_bytes(b'{"file": "x"')
    assert export(output) == Result(done=4)
    assert [set(json.loads(line)) for line in journal.read_text().splitlines()] == [
        {"file", "sha256", "before"}
    ] * 4
    undo_sidecars(output.layout)
    assert tree(tmp_path / "in") == before


@pytest.mark.parametrize("line", [b"[]\n", b"{}\n", b'{"file": 1, "sha256": 2, "before": 3}\n'])
def test_a_damaged_journal_is_refused(tmp_path: Path, photos: list[Path], line: bytes) -> None:
    output = made(tmp_path / "out", photos)
    (tmp_path / "out/job/sidecars.jsonl").write_bytes(line)
    with pytest.raises(OutputError, match=r"sidecars\.jsonl: damaged"):
        undo_sidecars(output.layout)


@pytest.mark.parametrize("kind", ["link", "device", "pipe", "folder", "long line"])
def test_something_else_in_place_of_the_journal_is_refused(
    tmp_path: Path, photos: list[Path], kind: str
) -> None:
    output = made(tmp_path / "out", photos)
    journal, target = tmp_path / "out/job/sidecars.jsonl", tmp_path / "mine"
    target.write_bytes(b'{"folder": "/none"}\nmine')
    if kind == "link":
        journal.symlink_to(target)
    elif kind == "device":
        journal.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(journal)
    elif kind == "folder":
        journal.mkdir()
    else:
        with journal.open("wb") as file:
            file.truncate(1 << 34)
    refused = r"sidecars\.jsonl: damaged \(.+\)\. Delete it"
    with pytest.raises(OutputError, match=refused):
        undo_sidecars(output.layout)
    with pytest.raises(OutputError, match=refused):
        export(output)
    assert target.read_bytes() == b'{"folder": "/none"}\nmine'


def test_an_output_in_use_is_refused(tmp_path: Path, photos: list[Path]) -> None:
    output = made(tmp_path / "out", photos)
    with lock.held(output.layout), pytest.raises(OutputError, match="another run is writing"):
        export(output)


@pytest.mark.slow
def test_ten_thousand_sidecars_are_written_and_undone(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    images = {}
    for index in range(10_000):
        path = folder / f"{index % 100:02}" / f"{index:05}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"picture")
        images[str(path)] = index % 4
    shutil.copytree(folder, tmp_path / "copy")
    named(tmp_path / "out", images)
    output = Output.open(tmp_path / "out")
    assert export(output) == Result(done=10_000)
    assert undo_sidecars(output.layout) == Result(done=10_000)
    assert below(folder) == below(tmp_path / "copy")
