"""Test that a command that was killed while it wrote can be repeated and leaves nothing else."""

import os
import signal
from pathlib import Path

import pytest

from tests.beam_pipeline.jobs import archive, imagebeam
from tests.faults.forked import Fate, Forked


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the output of a finished job."""
    folder = tmp_path_factory.mktemp("labels")
    archive(folder / "in", 3)
    assert imagebeam("label", folder / "in", "--output", folder / "out") == 0
    return folder / "out"


@pytest.mark.parametrize(
    "options",
    [
        ("export", "--to", "made.csv"),
        ("export", "--folders", "made"),
        ("export", "--folders", "made", "--copy"),
        ("report", "--no-thumbnails", "--output", "made.html"),
    ],
    ids=" ".join,
)
def test_it_leaves_only_what_it_makes(
    tmp_path: Path, output: Path, options: tuple[str, ...]
) -> None:
    name, *rest = options
    command = (name, output, *(tmp_path / each if "made" in each else each for each in rest))
    # A byte is the most that it can write into a file before it is killed.
    fate = Fate(file_bytes=1, is_fatal=True)
    if options == ("export", "--folders", "made"):
        # Links have no content: it is killed when it has made one.
        fate = Fate(folder=tmp_path, step=5)
    code, _ = Forked(command, tmp_path / "1.log", fate).finish()
    assert code == (-signal.SIGKILL if fate.step else -signal.SIGXFSZ)
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"] != []
    assert [each for each in os.listdir(tmp_path) if each.startswith("made")] == []
    assert Forked(command, tmp_path / "2.log").finish() == (0, "")
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"] == []
    assert len([each for each in os.listdir(tmp_path) if each.startswith("made")]) == 1
