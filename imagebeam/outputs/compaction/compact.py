"""Join the many small parts of a job into few large ones; safe to interrupt at any moment.

The journal names the joined part before that part appears, and the parts that it replaces. As soon
as the joined part exists, readers of this package ignore the parts that it replaces; until then,
these parts count. So no row is lost or seen twice, and the next process that writes to the output
finishes or undoes what is left.
"""

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

from imagebeam.outputs import lock, tfrecord_parts
from imagebeam.outputs.compaction import journal
from imagebeam.outputs.compaction.row_groups import RowGroups, Sizes
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.files import whole_file
from imagebeam.outputs.layout import Layout, remove_temporaries
from imagebeam.outputs.parts import check_text, opened, readable
from imagebeam.outputs.run_token import RunToken
from imagebeam.storage import AnyPath, Location
from imagebeam.storage.location import Stat
from imagebeam.storage.tfrecord import write as write_record

Show = Callable[[int, int], object]

_ROW_GROUP_ROWS = 131_072
_ROW_GROUP_BYTES = 32_000_000
"""Before compression. Readers are fast with it, and it bounds the memory that compaction needs."""

_READERS = 16


@dataclass(frozen=True)
class Compacted:
    """The result of a compaction in one folder.

    Attributes:
        parts: number of parts before and after.
        bytes: the bytes of all parts, before and after.
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
    layout: Layout,
    part_bytes: int,
    show: Show = lambda done, of: None,
    group_rows: int = _ROW_GROUP_ROWS,
) -> dict[str, Compacted]:
    """Join parts into parts of `part_bytes`, separately for predictions and errors.

    Parts of at least half that size are not rewritten, so a second compaction leaves the result of
    the first alone. Only parts with the same columns and provenance are joined, in the order of
    their first URIs: images that were neighbours stay neighbours. One row group is held in memory.

    Args:
        layout: the layout of the output; its job need not be complete.
        part_bytes: target size of a joined part.
        show: called with the number of parts that have been joined and of those to join.
        group_rows: limit for the rows of a row group.

    Returns:
        the result by the name of the folder.

    Raises:
        OutputError: a run is writing to the output.
        DamagedPartError: a part cannot be read; what was joined before stays joined.
    """
    with lock.held(layout):
        if remote := RunToken.unfinished_remote(layout):
            raise OutputError(
                f"{layout.root}: its run may still be at work ({', '.join(remote.values())}). Wait "
                "until it ends, or run the job's command again, which ends it; then compact."
            )
        run = RunToken(layout)
        # From now on, workers that an earlier run has left behind cannot write here.
        run.claim()
        journal.recover(layout)
        remove_temporaries(layout)
        journal.record(layout, None, ())
        before = layout.part_stats()
        groups = {name: _groups(found, part_bytes) for name, found in before.items()}
        total = sum(len(group) for found in groups.values() for group in found)
        progress = _JoinProgress(show, total)
        sizes = Sizes(part_bytes, group_rows, min(_ROW_GROUP_BYTES, part_bytes))
        rows = {
            name: sum(_join_all(run, group, sizes, progress) for group in found)
            for name, found in groups.items()
        }
        journal.clear(layout)
    after = layout.part_stats()
    return {
        name: Compacted(
            (len(before[name]), len(after[name])),
            (_bytes(before[name]), _bytes(after[name])),
            rows[name],
        )
        for name in before
    }


class _JoinProgress:
    def __init__(self, show: Show, total: int) -> None:
        self._show, self._done, self._total = show, 0, total
        show(0, total)

    def advance(self) -> None:
        self._done += 1
        self._show(self._done, self._total)


def _bytes(found: dict[AnyPath, Stat]) -> int:
    return sum(stat.st_size for stat in found.values())


def _groups(found: dict[AnyPath, Stat], part_bytes: int) -> list[deque[_Part]]:
    """Return the parts to join in order, grouped by what can be joined together."""
    small = [(part, stat) for part, stat in found.items() if stat.st_size < part_bytes // 2]
    with ThreadPoolExecutor(_READERS) as readers:
        described = readers.map(_describe, small)
        parts = sorted(described, key=attrgetter("kind", "first_uri", "path"))
    groups = [deque(group) for _, group in groupby(parts, attrgetter("kind"))]
    return [group for group in groups if len(group) > 1]


def _describe(found: tuple[AnyPath, Stat]) -> _Part:
    path, stat = found
    [(kind, first_uri)] = readable(path, _kind_and_first_uri(path))
    return _Part(path, stat.st_mtime, kind, first_uri)


def _kind_and_first_uri(path: AnyPath) -> Iterator[tuple[str, str]]:
    if path.suffix == ".tfrecord":
        yield str(tfrecord_parts.provenance(path)), next(tfrecord_parts.uris(path), "")
        return
    with opened(path) as file:
        check_text(file, "uri")
        schema = hashlib.sha256(file.schema_arrow.serialize()).hexdigest()
        uris = next(file.iter_batches(1, columns=["uri"], use_threads=False), None)
    yield schema, "" if uris is None else uris.column(0)[0].as_py() or ""


def _join_all(run: RunToken, parts: deque[_Part], sizes: Sizes, progress: _JoinProgress) -> int:
    """Join parts of one kind and return the number of their rows."""
    rows = 0
    while len(parts) > 1:
        rows += _join(run, parts, sizes, progress)
    return rows


def _join(run: RunToken, parts: deque[_Part], sizes: Sizes, progress: _JoinProgress) -> int:
    first = parts[0].path
    # A new name: the journal treats the target as committed once the file exists.
    target = first.with_name(f"part-{uuid.uuid4().hex}{first.suffix}")
    taken: list[_Part] = []
    rows = 0
    with whole_file(target) as file:
        with _appending(file, first, sizes) as append:
            while parts and file.tell() < sizes.part_bytes:
                taken.append(parts.popleft())
                rows += append(taken[-1].path)
                progress.advance()
        file.flush()
        # `status` and `report` compute the speed of a job from these times.
        modified = max(part.modified for part in taken)
        # The time of an object in a store cannot be set.
        if not isinstance(target, Location):
            os.utime(file.fileno(), (modified, modified))
        run.check()
        journal.record(run.layout, target, [part.path for part in taken])
    journal.remove_replaced(run.layout)
    return rows


@contextmanager
def _appending(file: IO[bytes], first: AnyPath, sizes: Sizes) -> Iterator[Callable[[AnyPath], int]]:
    """Yield a function that appends the rows of a part to a file and returns their number."""
    if first.suffix == ".tfrecord":
        yield lambda part: _append_records(file, part)
        return
    with opened(first) as parquet:
        schema = parquet.schema_arrow
    with RowGroups(file, schema, sizes) as groups:
        yield groups.append


def _append_records(file: IO[bytes], part: AnyPath) -> int:
    rows = 0
    for record in readable(part, tfrecord_parts.records(part)):
        write_record(file, record)
        rows += 1
    return rows
