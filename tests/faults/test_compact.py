"""Test that a compaction that is killed at any moment neither loses nor duplicates a row."""

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imagebeam.outputs.layout import Format, Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.verify import verify
from imagebeam.storage import AnyPath
from tests.beam_pipeline.jobs import ROOT
from tests.outputs.outputs import claimed, failed, finish, labelled, rows

_SHARDS = 120
LABELS = [f"{shard:03}/{image}.jpg" for shard in range(_SHARDS) for image in range(5)]
ERRORS = [f"{shard:03}/broken.jpg" for shard in range(_SHARDS)]


def _output(root: Path, kind: Format) -> Layout:
    layout = claimed(root, kind)
    for shard in range(_SHARDS):
        images = LABELS[5 * shard : 5 * shard + 5]
        write_part(layout, f"{shard:03}", labelled(*images), failed(ERRORS[shard]))
    finish(layout, LABELS, ERRORS, _SHARDS)
    return layout


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_a_compaction_killed_at_any_moment_can_be_repeated(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    layout = _output(tmp_path / "labels", "parquet" if seed % 2 else "tfrecord")
    for _ in range(3):
        copy = shutil.copytree(str(layout.root), tmp_path / "copy")
        unharmed = _compact(copy, moment=0)
        assert unharmed.returncode == 0
        shutil.rmtree(copy)
        moment = choose.randint(1, int(unharmed.stdout.split()[-1]))
        assert _compact(layout.root, moment).returncode == -signal.SIGKILL
        assert rows(layout) == ({*LABELS}, {*ERRORS})
        assert verify(layout.root) in ([], _temporaries(layout))
    assert _compact(layout.root, moment=0).returncode == 0
    assert rows(layout) == ({*LABELS}, {*ERRORS})
    assert verify(layout.root) == []
    assert list(Path(str(layout.root)).rglob("*.tmp")) == []
    assert not layout.compaction.exists()


def _compact(root: AnyPath, moment: int) -> subprocess.CompletedProcess[str]:
    """Run a compaction that is killed at this change of the output, or return their number."""
    command = ("compact", root, "--part-bytes", 20_000)
    return subprocess.run(
        [sys.executable, "-m", "tests.faults.killed_at", *map(str, (root, moment, *command))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


def _temporaries(layout: Layout) -> list[str]:
    return [f"{path}: not a part" for path in sorted(Path(str(layout.root)).rglob(".part*.tmp"))]
