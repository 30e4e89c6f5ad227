"""Joins the many small parts of a job into few large ones; may be killed in any moment."""

import hashlib
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from imagebeam.outputs import compaction_journal, lock, tfrecord_parts
from imagebeam.outputs.layout import Layout, OutputError, remove_temporaries, stats, whole_file
from imagebeam.outputs.parts import PARQUET_OPTIONS, opened, readable
from imagebeam.outputs.run_token import RunToken
from imagebeam.storage import AnyPath, Location
from imagebeam.storage.location import Stat
from imagebeam.storage.tfrecord import write as write_record

Show = Callable[[int, int], object]

_ROW_GROUP_ROWS = 131_072
_ROW_GROUP_BYTES = 32_000_000
"""Before compression: enough for a reader to be fast, and all that is held in memory."""

_BATCH_ROWS = 4096
_READERS = 16


@dataclass(frozen=True)
class Compacted:
    """What a compaction made of one folder.

    Attributes:
        parts: how many stood there before, and stand there now.
        bytes: of all of them, likewise.
        rows: in the parts that were joined.
    """

    parts: tuple[int, int]
    bytes: tuple[int, int]
    rows: int


class _Part(NamedTuple):
    path: AnyPath
    modified: float
    kind: str
    first_uri: str


def compact(
    layout: Layout, part_bytes: int, show: Show = lambda done, of: None
) -> dict[str, Compacted]:
    """Join parts into such of `part_bytes`, predictions and errors each among themselves.

    A part of half that size is large enough and stays as it is, so what is compacted once is not
    written again by the next time. Only parts that agree in columns and provenance are joined. They
    follow each other by their first URIs: images that were neighbours stay neighbours. Holds one
    row group in memory.

    Args:
        layout: of the output; its job need not be complete.
        part_bytes: at which a joined part is full.
        show: is told how many parts have been joined, and how many there are to join.

    Returns:
        by the name of the folder.

    Raises:
        OutputError: a run is at work on the output.
        DamagedPartError: a part cannot be read; what was joined before stays joined.
    """
    with lock.held(layout):
        if where := RunToken.at_work_elsewhere(layout):
            raise OutputError(
                f"{layout.root}: its run may still be at work ({', '.join(where.values())}). Wait "
                "for its end, or run the job's command again, which ends it; then compact."
            )
        run = RunToken(layout)
        # From now on nothing writes here that an earlier run has left behind.
        run.claim()
        compaction_journal.settle(layout)
        remove_temporaries(layout)
        compaction_journal.begin(layout)
        before = _stats(layout)
        groups = {name: _groups(found, part_bytes) for name, found in before.items()}
        total = sum(len(group) for found in groups.values() for group in found)
        progress = _Progress(show, total)
        rows = {
            name: sum(_join_all(run, group, part_bytes, progress) for group in found)
            for name, found in groups.items()
        }
        compaction_journal.end(layout)
    after = _stats(layout)
    return {
        name: Compacted(
            (len(before[name]), len(after[name])),
            (_bytes(before[name]), _bytes(after[name])),
            rows[name],
        )
        for name in before
    }


class _Progress:
    def __init__(self, show: Show, total: int) -> None:
        self._show, self._done, self._total = show, 0, total
        show(0, total)

    def advance(self) -> None:
        self._done += 1
        self._show(self._done, self._total)


def _stats(layout: Layout) -> dict[str, dict[AnyPath, Stat]]:
    return {
        folder.name: stats(folder, parts)
        for folder, parts in (
            (layout.predictions, layout.prediction_parts()),
            (layout.errors, layout.error_parts()),
        )
    }


def _bytes(found: dict[AnyPath, Stat]) -> int:
    return sum(stat.st_size for stat in found.values())


def _groups(found: dict[AnyPath, Stat], part_bytes: int) -> list[deque[_Part]]:
    """The parts that are to be joined, those together that can be, in order."""
    small = [(part, stat) for part, stat in found.items() if stat.st_size < part_bytes // 2]
    with ThreadPoolExecutor(_READERS) as readers:
        looked = readers.map(_look, small)
        parts = sorted(looked, key=attrgetter("kind", "first_uri", "path"))
    groups = [deque(group) for _, group in groupby(parts, attrgetter("kind"))]
    return [group for group in groups if len(group) > 1]


def _look(found: tuple[AnyPath, Stat]) -> _Part:
    path, stat = found
    [(kind, first_uri)] = readable(path, _kind_and_first_uri(path))
    return _Part(path, stat.st_mtime, kind, first_uri)


def _kind_and_first_uri(path: AnyPath) -> Iterator[tuple[str, str]]:
    if path.suffix == ".tfrecord":
        yield "", next(tfrecord_parts.uris(path), "")
        return
    with opened(path) as file:
        schema = hashlib.sha256(file.schema_arrow.serialize()).hexdigest()
        uris = next(file.iter_batches(1, columns=["uri"], use_threads=False), None)
    yield schema, "" if uris is None else uris.column(0)[0].as_py()


def _join_all(run: RunToken, parts: deque[_Part], part_bytes: int, progress: _Progress) -> int:
    """Join parts of one kind, as many into each new one as it takes; how many rows they have."""
    rows = 0
    while len(parts) > 1:
        rows += _join(run, parts, part_bytes, progress)
    return rows


def _join(run: RunToken, parts: deque[_Part], part_bytes: int, progress: _Progress) -> int:
    first = parts[0].path
    # A name that never was: the note says of it that it stands as soon as it is there.
    target = first.with_name(f"part-{uuid.uuid4().hex}{first.suffix}")
    taken: list[_Part] = []
    rows = 0
    with whole_file(target) as file:
        with _appending(file, first, part_bytes) as append:
            while parts and file.tell() < part_bytes:
                taken.append(parts.popleft())
                rows += append(taken[-1].path)
                progress.advance()
        file.flush()
        # The time when the last of these images was done, which tells how fast a job is.
        modified = max(part.modified for part in taken)
        # An object's time nobody can set.
        if not isinstance(target, Location):
            os.utime(file.fileno(), (modified, modified))
        run.check()
        compaction_journal.note(run.layout, target, [part.path for part in taken])
    compaction_journal.remove_replaced(run.layout)
    return rows


@contextmanager
def _appending(
    file: IO[bytes], first: AnyPath, part_bytes: int
) -> Iterator[Callable[[AnyPath], int]]:
    """A function that appends a part's rows to a file and says how many there are."""
    if first.suffix == ".tfrecord":
        yield lambda part: _append_records(file, part)
        return
    with opened(first) as parquet:
        schema = parquet.schema_arrow
    with _RowGroups(file, schema, min(_ROW_GROUP_BYTES, part_bytes)) as groups:
        yield groups.append


def _append_records(file: IO[bytes], part: AnyPath) -> int:
    rows = 0
    for record in readable(part, tfrecord_parts.records(part)):
        write_record(file, record)
        rows += 1
    return rows


class _RowGroups:
    """Gathers batches of rows into row groups of a size."""

    def __init__(self, file: IO[bytes], schema: pa.Schema, group_bytes: int) -> None:
        self._writer = pq.ParquetWriter(file, schema, **PARQUET_OPTIONS)
        self._schema = schema
        self._group_bytes = group_bytes
        self._clear()

    def __enter__(self) -> "_RowGroups":
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None and self._rows:
            self._flush()
        self._writer.close()

    def append(self, part: AnyPath) -> int:
        rows = 0
        for batch in readable(part, _batches(part)):
            self._batches.append(batch)
            self._rows += batch.num_rows
            self._bytes += batch.nbytes
            rows += batch.num_rows
            if self._bytes >= self._group_bytes or self._rows >= _ROW_GROUP_ROWS:
                self._flush()
        return rows

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._batches, self._schema)
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._clear()

    def _clear(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0


def _batches(part: AnyPath) -> Iterator[pa.RecordBatch]:
    with opened(part) as file:
        yield from file.iter_batches(_BATCH_ROWS, use_threads=False)
