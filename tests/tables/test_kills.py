"""Test that a commit which is killed at any step leaves the old snapshot or the new one.

A table of Delta Lake is on a server that stops to answer at a given request, before or after it has
done what the request wanted. A table of Iceberg has its files behind a `FileIO` that fails from a
given operation on, and so do the statements to its catalogue. To the table, both are as if the
process had been killed there: not even cleaning up succeeds.

Only writes change what is stored, so kills at writes leave every state that there can be.
IMAGEBEAM_KILLS=all kills at reads too, which takes minutes.
"""

import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.io import FileIO, InputFile, OutputFile
from pyiceberg.io.pyarrow import PyArrowFileIO
from sqlalchemy import event
from sqlalchemy.engine import Engine

from imagebeam.outputs.layout import Layout
from imagebeam.outputs.summary import read_summary
from imagebeam.storage import AnyPath, location
from imagebeam.tables import credentials
from tests.storage.relay import Always, Exchange, Fault, Relay, honest, lost, refused
from tests.tables.tables import DeltaKind, IcebergKind, Kind, output, unused

_ALL = os.environ.get("IMAGEBEAM_KILLS") == "all"


class Killed(BaseException):
    """The process was killed here."""


class Steps:
    """Counts the operations of a store, and says which are never done.

    Attributes:
        left: operations until the kill; None for no kill.
        killed: whether it has come.
    """

    def __init__(self) -> None:
        self.left: int | None = None
        self.killed = False

    def start(self, left: int | None) -> None:
        self.left, self.killed = left, False

    def is_last(self, is_write: bool) -> bool:
        """Count one operation; return whether the kill comes here or has come."""
        if self.left is None or self.killed:
            return self.killed
        if is_write or _ALL:
            self.killed = self.left == 0
            self.left -= 1
        return self.killed


_STEPS = Steps()


def _take(is_write: bool) -> None:
    if _STEPS.is_last(is_write):
        raise Killed


class CountedIO(FileIO):
    """The files of a table of Iceberg, whose operations are counted."""

    def __init__(self, properties: dict[str, str]) -> None:
        super().__init__(properties)
        self._io = PyArrowFileIO(properties)

    def new_input(self, location: str) -> InputFile:
        _take(is_write=False)
        return self._io.new_input(location)

    def new_output(self, location: str) -> OutputFile:
        _take(is_write=True)
        return self._io.new_output(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        _take(is_write=True)
        self._io.delete(location)


class Place(ABC):
    """Where a table can be killed."""

    @abstractmethod
    def kind(self) -> Kind:
        """Return tables that do not exist yet."""

    @abstractmethod
    def is_killed(self, steps: int, kind: Kind, root: AnyPath) -> bool:
        """Run a commit that is killed after some steps; return whether it was."""


class Bucket(Place):
    def __init__(self, relay: Relay, bucket: str, last: Fault) -> None:
        self._relay, self._last = relay, last
        self._bucket = location(bucket)
        self._options = credentials.delta_options(self._bucket, 1)

    def kind(self) -> DeltaKind:
        return DeltaKind(self._bucket / unused(), self._options)

    def is_killed(self, steps: int, kind: Kind, root: AnyPath) -> bool:
        assert isinstance(kind, DeltaKind)
        _STEPS.start(steps)

        def fault(exchange: Exchange) -> None:
            before = _STEPS.killed
            is_dead = _STEPS.is_last(exchange.method != "GET")
            (refused if before else self._last if is_dead else honest)(exchange)

        self._relay.faults = Always([fault])
        # Only the commit passes the relay: the library keeps other threads of this process from
        # running while it reads the history of a table.
        address = self._relay.address
        through = DeltaKind(kind.place.parent, {**self._options, "aws_endpoint_url": address})
        with pytest.MonkeyPatch.context() as patch, suppress(Exception):
            patch.setenv("AWS_ENDPOINT_URL_S3", address)
            through.commit(root)
        self._relay.forget()
        return _STEPS.killed


class Catalogue(Place):
    def __init__(self, folder: Path, environment: pytest.MonkeyPatch) -> None:
        self._folder, self._environment = folder, environment

    def kind(self) -> Kind:
        name = unused()
        prefix = f"PYICEBERG_CATALOG__{name.upper()}__"
        for key, value in {
            "URI": f"sqlite:///{self._folder}/{name}.db",
            "WAREHOUSE": f"file://{self._folder}/{name}",
            "PY_IO_IMPL": "tests.tables.test_kills.CountedIO",
        }.items():
            self._environment.setenv(f"{prefix}{key}", value)
        return IcebergKind(name)

    def is_killed(self, steps: int, kind: Kind, root: AnyPath) -> bool:
        connections: list[Any] = []
        listeners: dict[str, Callable[..., Any]] = {
            "connect": lambda connection, _: connections.append(connection),
            "before_cursor_execute": lambda _, __, sql, *___: _take(not sql.startswith("SELECT")),
            "commit": lambda _: _take(is_write=True),
        }
        for name, listener in listeners.items():
            event.listen(Engine, name, listener)
        _STEPS.start(steps)
        try:
            kind.commit(root)
        except Killed:
            return True
        finally:
            _STEPS.start(None)
            for name, listener in listeners.items():
                event.remove(Engine, name, listener)
            # The connections and locks of a killed process end with it.
            for connection in connections:
                connection.close()
        return False


@pytest.fixture(params=["delta-refused", "delta-lost", "iceberg"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """Yield the place of a table's files."""
    if request.param == "iceberg":
        yield Catalogue(tmp_path, monkeypatch)
        return
    bucket = request.getfixturevalue("s3_bucket")
    with Relay(request.getfixturevalue("s3_server")).running() as relay:
        yield Bucket(relay, bucket, lost if request.param == "delta-lost" else refused)


_STATES = (
    (["a1", "a2", "a3"], ["b1", "b2", "b3"]),
    # b2 was retried with success, a4 is new, a1 was replaced by something that is no image.
    (["a2", "a3", "a4", "b2"], ["a1", "b1", "b3"]),
)


def _uris(kind: Kind) -> tuple[list[str] | None, list[str] | None]:
    """Return the names in both tables; None for a table that does not exist."""
    first, second = (
        None if table.schema() is None else sorted(kind.table(suffix)["uri"].to_pylist())
        for suffix, table in zip(("", "_errors"), kind.open(), strict=True)
    )
    return first, second


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_kill_leaves_the_old_snapshot_or_the_new_one(tmp_path: Path, place: Place) -> None:
    root = tmp_path / "out"
    kills = 0

    def killed(steps: int, kind: Kind, old: int | None, new: int) -> bool:
        """Go from one state to another, with a kill; check every state on the way."""
        before = (None, None) if old is None else _STATES[old]
        versions = 0 if old is None else len(kind.snapshots())
        output(root, *_STATES[new])
        was_killed = place.is_killed(steps, kind, root)
        for names, earlier, later in zip(_uris(kind), before, _STATES[new], strict=True):
            assert names in (earlier, later)
        kind.commit(root)
        assert _uris(kind) == _STATES[new]
        assert len(kind.snapshots()) == versions + 1
        account = read_summary(Layout(root))["output"]
        assert [len(names) for names in _STATES[new]] == [account["labelled"], account["failed"]]
        return was_killed

    for steps in itertools.count():
        kind = place.kind()
        if not killed(steps, kind, None, 0):
            break
        kills += 1
    at = 0
    for steps in itertools.count():
        forth, back = killed(steps, kind, at, 1 - at), killed(steps, kind, 1 - at, at)
        if not forth and not back:
            break
        kills += forth + back
    print(f"{kills} kills")
    assert kills >= 12
