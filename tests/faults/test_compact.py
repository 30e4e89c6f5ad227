"""Killed in any moment, a compaction loses no row and leaves none twice."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from results.layout import Format, Layout
from results.parts import write_part
from results.verify import verify
from tests.beam_pipeline.jobs import COMMAND, ROOT, imagebeam
from tests.results.outputs import claimed, failed, finish, labelled, rows

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
def test_killed_in_any_moment(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    layout = _output(tmp_path, "parquet" if seed % 2 else "tfrecord")
    command = ("compact", layout.root, "--part-bytes", 20_000)
    kills = 0
    for _ in range(3):
        process = subprocess.Popen(
            [*COMMAND, *map(str, command)], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        while not layout.compaction.exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(choose.uniform(0, 0.2))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        assert rows(layout) == ({*LABELS}, {*ERRORS})
        assert verify(layout.root) in ([], _temporaries(layout))
    assert kills > 0
    assert imagebeam(*command) == 0
    assert rows(layout) == ({*LABELS}, {*ERRORS})
    assert verify(layout.root) == []
    assert list(Path(str(layout.root)).rglob("*.tmp")) == []
    assert not layout.compaction.exists()


def _temporaries(layout: Layout) -> list[str]:
    return [f"{path}: not a part" for path in sorted(Path(str(layout.root)).rglob(".part*.tmp"))]
