import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from imagebeam.outputs.parts import write_part
from tests.beam_pipeline.jobs import ROOT, imagebeam
from tests.outputs.outputs import claimed, failed, labelled, named


def test_a_table_is_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named(tmp_path / "out", {"/a.jpg": 0, "/b.jpg": 1})
    target = tmp_path / "t.csv"
    assert imagebeam("export", tmp_path / "out", "--to", target, "--label", "tiger") == 0
    assert capsys.readouterr() == (f"1 row\ntable    {target}\n", "")
    assert imagebeam("export", tmp_path / "out", "--to", target) == 2
    assert "exists already" in capsys.readouterr().err
    assert imagebeam("export", tmp_path / "out", "--to", target, "--overwrite") == 0


def test_sidecars_are_written_and_undone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "in" / "new\nline.jpg"
    image.parent.mkdir()
    image.touch()
    named(tmp_path / "out", {str(image): 0, "/gone\x1b.jpg": 0})
    assert imagebeam("export", tmp_path / "out", "--xmp") == 1
    assert capsys.readouterr() == (
        "1 sidecar written\n",
        "imagebeam: /gone\u241b.jpg: the image no longer exists.\n",
    )
    assert sorted(os.listdir(image.parent)) == ["new\nline.jpg", "new\nline.jpg.xmp"]
    assert imagebeam("export", tmp_path / "out", "--undo") == 0
    assert capsys.readouterr().out == "1 sidecar removed or restored\n"
    assert os.listdir(image.parent) == ["new\nline.jpg"]
    assert imagebeam("export", tmp_path / "out", "--undo") == 2
    assert "no sidecars to undo" in capsys.readouterr().err


def test_folders_are_exported(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    named(tmp_path / "out", {str(tmp_path / "a.jpg"): 1})
    assert imagebeam("export", tmp_path / "out", "--folders", tmp_path / "sorted") == 0
    assert (tmp_path / "sorted/tiger/a.jpg").readlink() == tmp_path / "a.jpg"


def test_an_unfinished_output_is_exported_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_part(claimed(tmp_path / "out"), "1", labelled("a"), failed("b"))
    assert imagebeam("export", tmp_path / "out", "--to", tmp_path / "t.csv") == 0
    assert "the job is not complete" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "one of the arguments --to --xmp --undo --folders is required"),
        (("--to", "t.csv", "--top", "0"), "--top 0: must be at least 1."),
        (("--xmp", "--min-score", "2"), "--min-score 2: must be from 0 to 1."),
        (("--to", "t.csv"), "nowhere: not an output of imagebeam"),
        (("--undo",), "nowhere: not an output of imagebeam"),
    ],
)
def test_wrong_usage_is_refused(
    options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagebeam("export", "nowhere", *options) == 2
    assert message in capsys.readouterr().err


def test_a_table_in_a_folder_that_does_not_exist_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_part(claimed(tmp_path / "out"), "1", labelled("a"), failed("b"))
    target = tmp_path / "missing" / "t.csv"
    assert imagebeam("export", tmp_path / "out", "--to", target) == 2
    assert capsys.readouterr().err.endswith(
        f"{target}: there is no folder {target.parent}. Create it, or choose another name.\n"
    )


def search(*words: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "beam_pipeline", "search", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False)


def test_search_prints_paths_byte_for_byte(tmp_path: Path) -> None:
    images = {"file:///a/%FF%0A.jpg": 0, "/b.jpg": 1, "gs://x/c.jpg": 0, "/z.zip!/d.jpg": 0}
    named(tmp_path / "out", images)
    found = search(tmp_path / "out", "TABBY", "-0")
    assert (found.returncode, found.stderr) == (0, b"")
    assert sorted(found.stdout.split(b"\0")) == [
        b"",
        b"/a/\xff\n.jpg",
        b"/z.zip!/d.jpg",
        b"gs://x/c.jpg",
    ]
    assert search(tmp_path / "out", "tiger").stdout == b"/b.jpg\n"
    assert search(tmp_path / "out", "tabby", "--min-score", "0.8").returncode == 1
    refused = search(tmp_path / "out", "tabby", "--min-score", "80")
    assert refused.returncode == 2
    assert b"--min-score 80: must be from 0 to 1." in refused.stderr


def test_search_prints_the_highest_score_first_and_equal_ones_by_name(tmp_path: Path) -> None:
    named(tmp_path / "out", {"/c.jpg": 0, "/b.jpg": 1, "/a.jpg": 0, "/d.jpg": 0})
    assert search(tmp_path / "out", "tabby").stdout == b"/a.jpg\n/c.jpg\n/d.jpg\n"
    # All images of class 0 have `tiger` among their others, with a lower score than /b.jpg.
    found = search(tmp_path / "out", "tiger", "--top", 2)
    assert found.stdout == b"/b.jpg\n/a.jpg\n/c.jpg\n/d.jpg\n"


def test_search_makes_escape_sequences_visible_on_a_terminal(tmp_path: Path) -> None:
    named(tmp_path / "out", {"/a/\x1b[2Jb.jpg": 0})
    assert search(tmp_path / "out", "tabby").stdout == b"/a/\x1b[2Jb.jpg\n"
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "beam_pipeline", "search", str(tmp_path / "out"), "tabby"]
    subprocess.run(command, cwd=ROOT, stdout=slave, check=True)
    os.close(slave)
    assert os.read(master, 1000).decode() == "/a/␛[2Jb.jpg\r\n"
    os.close(master)


def test_search_names_similar_labels(tmp_path: Path) -> None:
    named(tmp_path / "out", {"/a.jpg": 0, "/b.jpg": 1})
    found = search(tmp_path / "out", "tigre")
    assert (found.returncode, found.stdout) == (1, b"")
    assert found.stderr == b"imagebeam: no image has a label with 'tigre'. Most similar: tiger\n"


def test_search_ends_when_the_pipe_is_closed(tmp_path: Path) -> None:
    named(tmp_path / "out", {f"/{index:06}{'x' * 99}.jpg": 0 for index in range(20_000)})
    command = f"{sys.executable} -m beam_pipeline search {tmp_path / 'out'} tabby | head -1"
    found = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, check=False)
    assert (found.stdout.count(b"\n"), found.stderr) == (1, b"")
