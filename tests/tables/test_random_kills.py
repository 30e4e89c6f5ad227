"""Test that processes which are killed while they commit leave the old snapshot or the new one.

Each commit runs in a process of its own, which gets SIGKILL at a random moment. Between commits the
output changes in every way that outputs do. IMAGEBEAM_RANDOM_KILLS is the number of kills.
"""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from imagebeam.outputs import identity, parts
from imagebeam.outputs.compaction.compact import compact
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.summary import read_summary
from tests.outputs.outputs import IDENTITY, SCHEMA, failed
from tests.tables.tables import DeltaKind, IcebergKind, Kind, finish

_KILLS = int(os.environ.get("IMAGEBEAM_RANDOM_KILLS", "6"))
_COMMITS_PER_TABLE = 20
_ROWS_PER_PART = 40

Rows = Mapping[str, float]
"""Score of each image in the table of predictions."""

State = tuple[Rows | None, list[str] | None]
"""The rows of both tables; None for a table that does not exist."""

_NOTHING: State = (None, None)


class _Output:
    """An output that changes at random.

    Attributes:
        root: its folder.
        scores: of the labelled images.
        errors: names of the failed ones.
        is_wide: whether rows have a column more.
    """

    def __init__(self, root: Path, rng: random.Random) -> None:
        self.root, self._rng = root, rng
        self._images = 0
        self.scores: dict[str, float] = {}
        self.errors: list[str] = []
        self.is_wide = False
        self._add()
        self.write()

    @property
    def state(self) -> State:
        return dict(self.scores), sorted(self.errors)

    def change(self) -> None:
        """Change the output in one of the ways that a user can."""
        changes: list[Callable[[], None]] = [self._add, self._retry, self._replace, self._remove]
        if self._rng.random() < 0.1:
            compact(Layout(self.root), part_bytes=1 << 20)
            return
        if self._rng.random() < 0.1:
            self.is_wide = True
        self._rng.choice(changes)()
        self.write()

    def _add(self) -> None:
        for number in range(self._images, self._images + 150):
            if self._rng.random() < 0.2:
                self.errors.append(f"{number:06d}.jpg")
            else:
                self.scores[f"{number:06d}.jpg"] = self._score()
        self._images += 150

    def _retry(self) -> None:
        for name in self._some(self.errors):
            self.errors.remove(name)
            self.scores[name] = self._score()

    def _replace(self) -> None:
        self.scores |= {name: self._score() for name in self._some(list(self.scores))}

    def _remove(self) -> None:
        for name in self._some(list(self.scores)):
            del self.scores[name]

    def _some(self, names: list[str]) -> list[str]:
        return self._rng.sample(names, len(names) // 3)

    def _score(self) -> float:
        return self._rng.randrange(513, 1024) / 1024

    def write(self) -> None:
        layout = Layout(self.root)
        changed = {"kept": {"camera": "string"}} if self.is_wide else {}
        identity.claim(layout, IDENTITY | changed, overwrite=True)
        names = sorted(self.scores)
        for start in range(0, max(len(names), len(self.errors)), _ROWS_PER_PART):
            some = slice(start, start + _ROWS_PER_PART)
            errors = self._with_camera(failed(*self.errors[some]))
            parts.write_part(layout, f"{start:032x}", self._rows(names[some]), errors)
        finish(layout, names, self.errors)

    def _rows(self, names: list[str]) -> pa.Table:
        best = np.array([self.scores[name] for name in names], np.float32).reshape(-1, 1)
        scores = np.concatenate([1 - best, best], axis=1)
        sides = np.full(len(names), 8, np.int32)
        return self._with_camera(SCHEMA.table(names, sides, sides, scores, None, None))

    def _with_camera(self, rows: pa.Table) -> pa.Table:
        column = pa.array(rows["uri"].to_pylist(), pa.string())
        return rows.append_column("camera", column) if self.is_wide else rows


def _state(kind: Kind) -> State:
    predictions, errors = (
        None if table.schema() is None else kind.table(suffix)
        for suffix, table in zip(("", "_errors"), kind.open(), strict=True)
    )
    if predictions is not None:
        names, scores = predictions["uri"].to_pylist(), predictions["score"].to_pylist()
        assert len(names) == len(set(names))
    return (
        None if predictions is None else dict(zip(names, scores, strict=True)),
        None if errors is None else sorted(errors["uri"].to_pylist()),
    )


def _commit(kind: Kind, root: Path, environment: Mapping[str, str], ready: Connection) -> None:
    os.environ.update(environment)
    ready.send(None)
    kind.commit(root)


class _Killer:
    """Runs commits and kills them.

    Attributes:
        seconds: that a commit takes, by those that were not killed.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.seconds = 0.0
        # Its processes start with all modules loaded, so that few kills come before the commit.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])

    def is_killed(self, kind: Kind, root: Path) -> bool:
        """Commit in a new process, and kill it at a random moment; return whether it lived."""
        environment = {k: v for k, v in os.environ.items() if k.startswith("PYICEBERG")}
        ready, told = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_commit, args=(kind, root, environment, told))
        process.start()
        ready.recv()
        start = time.monotonic()
        # Most of the time is spent on reading, which changes nothing: kills come late.
        process.join(self._rng.uniform(0.4, 1.1) * self.seconds if self.seconds else None)
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            # Commits become longer as tables grow.
            self.seconds *= 1.1
            return True
        assert process.exitcode == 0
        self.seconds = time.monotonic() - start
        return False


@pytest.fixture(params=["delta", "iceberg"])
def kinds(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Kind]:
    """Return tables that do not exist yet, one after the other."""

    def made() -> Iterator[Kind]:
        for number in range(1_000):
            place = tmp_path / f"{number}"
            if request.param == "delta":
                yield DeltaKind(place)
                continue
            place.mkdir()
            prefix = f"PYICEBERG_CATALOG__KILLS{number}__"
            monkeypatch.setenv(f"{prefix}URI", f"sqlite:///{place}/catalogue.db")
            monkeypatch.setenv(f"{prefix}WAREHOUSE", f"file://{place}/warehouse")
            yield IcebergKind(f"kills{number}")

    return made()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_process_that_is_killed_leaves_the_old_snapshot_or_the_new_one(
    tmp_path: Path, kinds: Iterator[Kind]
) -> None:
    rng = random.Random(1)
    killer = _Killer(rng)
    kills = finished = 0
    left: Counter[str] = Counter()
    while kills < _KILLS:
        kind = next(kinds)
        output = _Output(tmp_path / f"out{kills}-{finished}", rng)
        before, was_wide, versions = _NOTHING, False, 0
        for _ in range(_COMMITS_PER_TABLE):
            was_killed = killer.is_killed(kind, output.root)
            kills, finished = kills + was_killed, finished + (not was_killed)
            found = _state(kind)
            for table, earlier, later in zip(found, before, output.state, strict=True):
                assert table in (earlier, later)
            if was_killed:
                left["old" if found == before else "new" if found == output.state else "both"] += 1
            kind.commit(output.root)
            assert _state(kind) == output.state
            account = read_summary(Layout(output.root))["output"]
            assert account["labelled"] == len(output.scores)
            assert account["failed"] == len(output.errors)
            is_new = (output.state[0], output.is_wide) != (before[0], was_wide)
            assert len(kind.snapshots()) == versions + is_new
            before, was_wide, versions = output.state, output.is_wide, versions + is_new
            output.change()
            if kills == _KILLS:
                break
    print(f"{kills} kills, which left {dict(left)}; {finished} commits ended before")
