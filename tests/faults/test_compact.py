"""Test that a compaction that is killed at any moment neither loses nor duplicates a row."""

import random
import shutil
import signal
from pathlib import Path

import pytest

from imagebeam.outputs.layout import Format, Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.verify import verify
from imagebeam.storage import AnyPath
from tests.faults.forked import Fate, Forked
from tests.outputs.outputs import claimed, failed, finish, labelled, rows

_SHARDS = 120
_PART_BYTES = 20_000
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
@pytest.mark.parametrize("seed", range(6))
def test_a_compaction_killed_at_any_moment_can_be_repeated(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    layout = _output(tmp_path / "labels", "parquet" if seed % 2 else "tfrecord")
    for turn in range(4):
        if turn % 2:
            # It is killed at any byte of the parts that it writes.
            fate = Fate(file_bytes=choose.randrange(_PART_BYTES), is_fatal=True)
        else:
            copy = Path(shutil.copytree(str(layout.root), tmp_path / f"copy {turn}"))
            counted = _compact(copy, tmp_path / f"copy {turn}.log", Fate(copy))
            assert counted.finish()[0] == 0
            fate = Fate(Path(str(layout.root)), choose.randint(1, counted.steps))
        code, _ = _compact(layout.root, tmp_path / f"{turn}.log", fate).finish()
        # A file may stay below the limit.
        assert code in (-signal.SIGKILL, -signal.SIGXFSZ, 0)
        assert code != 0 or not fate.step
        assert rows(layout) == ({*LABELS}, {*ERRORS})
        assert verify(layout.root) in ([], _temporaries(layout))
    assert _compact(layout.root, tmp_path / "last.log", Fate()).finish()[0] == 0
    assert rows(layout) == ({*LABELS}, {*ERRORS})
    assert verify(layout.root) == []
    assert list(Path(str(layout.root)).rglob("*.tmp")) == []
    assert not layout.compaction.exists()


def _compact(root: AnyPath, log: Path, fate: Fate) -> Forked:
    return Forked(("compact", root, "--part-bytes", _PART_BYTES), log, fate)


def _temporaries(layout: Layout) -> list[str]:
    return [f"{path}: not a part" for path in sorted(Path(str(layout.root)).rglob(".part*.tmp"))]
