import json
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.outputs import identity, lock, parts, tfrecord_parts
from imagebeam.outputs.compaction.compact import Compacted, compact
from imagebeam.outputs.errors import DamagedPartError, OutputError
from imagebeam.outputs.layout import Format, Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.provenance import provenance
from imagebeam.outputs.run_token import RunToken, SupersededError
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.outputs.verify import verify
from imagebeam.storage import AnyPath, Location
from tests.outputs.outputs import (
    IDENTITY,
    below,
    claimed,
    failed,
    finish,
    labelled,
    rows,
    storage_that_goes_after,
)

LARGE = 128_000_000
LABELS, ERRORS = list("abcdefgh"), list("ijk")
KINDS = pytest.mark.parametrize("kind", ["parquet", "tfrecord"])


def complete(root: AnyPath, kind: Format = "parquet") -> Layout:
    """Return the output of a job of four shards: a to h are labelled, i to k failed."""
    layout = claimed(root, kind)
    write_part(layout, "9", labelled("a", "b"), failed("i"))
    write_part(layout, "2", labelled("e", "f"), failed("j"))
    write_part(layout, "7", labelled("c", "d"), failed())
    write_part(layout, "1", labelled("g", "h"), failed("k"))
    finish(layout, LABELS, ERRORS, 4)
    return layout


def listed(layout: Layout) -> dict[str, int]:
    """Return the number of parts that any reader finds."""
    folders = (layout.predictions, layout.errors)
    return {
        folder.name: sum(path.name.startswith("part-") for path in folder.iterdir())
        for folder in folders
    }


@KINDS
def test_all_parts_become_one_of_each_kind(root: AnyPath, kind: Format) -> None:
    layout = complete(root, kind)
    found = compact(layout, LARGE)
    assert {name: (each.parts, each.rows) for name, each in found.items()} == {
        "predictions": ((4, 1), 8),
        "errors": ((3, 1), 3),
    }
    assert listed(layout) == {"predictions": 1, "errors": 1}
    [joined] = layout.prediction_parts()
    assert found["predictions"].bytes[1] == len(joined.read_bytes())
    assert rows(layout) == (set(LABELS), set(ERRORS))
    assert verify(root) == []
    assert sorted(entry.name for entry in layout.job.iterdir()) == ["identity.json", "run.json"]


def test_rows_columns_provenance_and_neighbours_are_kept(tmp_path: Path) -> None:
    layout = complete(tmp_path)
    compact(layout, LARGE)
    [predictions], [errors] = layout.prediction_parts(), layout.error_parts()
    assert pq.read_table(predictions).equals(labelled(*LABELS))
    assert provenance(pq.read_schema(predictions)) == {"module": "m"}
    assert pq.read_table(errors)["uri"].to_pylist() == ERRORS


def test_tfrecords_are_copied_unchanged(tmp_path: Path) -> None:
    layout = complete(tmp_path, "tfrecord")
    compact(layout, LARGE)
    [part] = layout.prediction_parts()
    assert part.read_bytes() == tfrecord_parts.encode(labelled(*LABELS))


@KINDS
def test_a_second_compaction_changes_nothing(tmp_path: Path, kind: Format) -> None:
    layout = complete(tmp_path, kind)
    compact(layout, LARGE)
    before = {path: path.read_bytes() for path in tmp_path.rglob("part-*")}
    assert [each.rows for each in compact(layout, LARGE).values()] == [0, 0]
    assert {path: path.read_bytes() for path in tmp_path.rglob("part-*")} == before


@KINDS
def test_a_full_part_is_followed_by_another(tmp_path: Path, kind: Format) -> None:
    layout = claimed(tmp_path, kind)
    # Names that hardly compress, so that the bytes of a part depend on their number.
    random = Random(1)
    names = sorted(random.randbytes(20).hex() for _ in range(2000))
    for start in range(0, 2000, 20):
        write_part(layout, str(start), labelled(*names[start : start + 20]), failed())
    finish(layout, names, [], 100)
    full = 3 * len(layout.prediction_part("0").read_bytes())
    compact(layout, full)
    found = [list(parts.uris(part)) for part in layout.prediction_parts()]
    assert 2 <= len(found) <= 34
    # Each part contains consecutive images.
    assert [uri for uris in sorted(found) for uri in uris] == names
    assert verify(tmp_path) == []
    assert [each.rows for each in compact(layout, full).values()] == [0, 0]


def test_a_large_part_is_kept(tmp_path: Path) -> None:
    layout = complete(tmp_path)
    names = [f"z{index}" for index in range(5000)]
    write_part(layout, "5", labelled(*names), failed())
    before = layout.prediction_part("5").read_bytes()
    found = compact(layout, 2 * len(before))
    assert found["predictions"].parts == (5, 2)
    assert layout.prediction_part("5").read_bytes() == before


def test_only_parts_of_one_provenance_are_joined(tmp_path: Path) -> None:
    layout = complete(tmp_path)
    other = PredictionSchema(("labels",), 2, None, {"module": "m", "versions": {"pillow": "13"}})
    for shard, uri in (("5", "x"), ("6", "y")):
        table = labelled(uri).replace_schema_metadata(other.arrow().metadata)
        write_part(layout, shard, table, failed())
    assert compact(layout, LARGE)["predictions"].parts == (6, 2)
    found = {
        tuple(parts.uris(part)): provenance(pq.read_schema(part))
        for part in layout.prediction_parts()
    }
    assert found == {
        tuple(LABELS): {"module": "m"},
        ("x", "y"): {"module": "m", "versions": {"pillow": "13"}},
    }


def test_row_groups_are_bounded(tmp_path: Path) -> None:
    layout = complete(tmp_path)
    compact(layout, LARGE, group_rows=4)
    [part] = layout.prediction_parts()
    groups = pq.read_metadata(part)
    assert [groups.row_group(index).num_rows for index in range(2)] == [4, 4]
    # A reader that looks for a name skips the groups that cannot hold it.
    names = [groups.row_group(index).column(0).statistics for index in range(2)]
    assert [(each.min, each.max) for each in names] == [("a", "d"), ("e", "h")]


def test_a_joined_part_is_as_old_as_the_youngest_of_its_sources(tmp_path: Path) -> None:
    layout = complete(tmp_path)
    for part in layout.prediction_parts():
        os.utime(str(part), (1_000, 1_000))
    os.utime(str(layout.prediction_part("7")), (2_000, 2_000))
    compact(layout, LARGE)
    [part] = layout.prediction_parts()
    assert os.stat(str(part)).st_mtime == 2_000


def test_progress_is_reported(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    compact(complete(tmp_path), LARGE, lambda done, of: seen.append((done, of)))
    assert seen == [(done, 7) for done in range(8)]


def test_an_output_with_nothing_to_join_is_unchanged(tmp_path: Path) -> None:
    nothing = Compacted((0, 0), (0, 0), 0)
    assert compact(claimed(tmp_path), LARGE) == {"predictions": nothing, "errors": nothing}


def test_an_output_in_use_is_refused(tmp_path: Path) -> None:
    layout = complete(tmp_path)
    with lock.held(layout), pytest.raises(OutputError, match="another run is writing to it"):
        compact(layout, LARGE)
    RunToken(layout).at({"flink_master": "http://flink:8081", "job": "j"}).claim()
    layout.summary.unlink()
    with pytest.raises(OutputError, match=r"may still be at work \(http://flink:8081, j\)"):
        compact(layout, LARGE)
    assert listed(layout) == {"predictions": 4, "errors": 3}


def test_workers_of_an_earlier_run_cannot_write_afterwards(
    tmp_path: Path,
) -> None:
    layout = complete(tmp_path)
    earlier = RunToken(layout)
    earlier.claim()
    compact(layout, LARGE)
    with pytest.raises(SupersededError):
        earlier.check()


def test_a_run_that_takes_over_during_compaction_loses_no_row(tmp_path: Path) -> None:
    """Simulate a file system without locks on which another machine begins a run."""
    layout = complete(tmp_path)

    def take_over(done: int, _of: int) -> None:
        if done == 2:
            RunToken(layout).claim()

    with pytest.raises(SupersededError):
        compact(layout, LARGE, take_over)
    identity.claim(layout, IDENTITY, overwrite=False)
    assert listed(layout) == {"predictions": 4, "errors": 3}


@KINDS
def test_a_damaged_part_is_reported_and_nothing_is_lost(tmp_path: Path, kind: Format) -> None:
    layout = complete(tmp_path, kind)
    part = layout.prediction_part("7")
    part.write_bytes(part.read_bytes()[:-5])
    with pytest.raises(DamagedPartError, match="part-7"):
        compact(layout, LARGE)
    assert list(tmp_path.rglob("*.tmp")) == []
    assert listed(layout) == {"predictions": 4, "errors": 3}
    part.unlink()
    compact(layout, LARGE)
    assert rows(layout) == (set(LABELS) - {"c", "d"}, set(ERRORS))


Again = Callable[[Layout], object]
AGAIN: dict[str, Again] = {
    "compact": lambda layout: compact(layout, LARGE),
    "label": lambda layout: identity.claim(
        layout, IDENTITY | {"format": layout.format}, overwrite=False
    ),
}


@KINDS
@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize(
    "root", ["folder", pytest.param("bucket", marks=pytest.mark.slow)], indirect=True
)
def test_after_a_kill_each_row_counts_once_and_the_next_run_repairs_the_output(
    root: AnyPath, kind: Format, again: str
) -> None:
    for changes in count():
        layout = complete(root / str(changes), kind)
        try:
            with storage_that_goes_after(changes, layout.root):
                compact(layout, LARGE)
        except (OSError, OutputError):
            # Our own readers see the output as the kill left it.
            assert rows(layout) == (set(LABELS), set(ERRORS))
            remaining = [each for each in verify(layout.root) if not each.endswith("not a part")]
            assert remaining == []
            AGAIN[again](layout)
            assert not layout.compaction.exists()
            assert [name for name in below(layout.root) if name.endswith(".tmp")] == []
            # Any other reader.
            seen = [uri for path in layout.predictions.iterdir() for uri in uris(path)]
            assert sorted(seen) == LABELS
            seen = [uri for path in layout.errors.iterdir() for uri in uris(path)]
            assert sorted(seen) == ERRORS
        else:
            # Two parts are made and, except in a bucket, renamed; seven are removed, and the notes.
            each = 1 if isinstance(root, Location) else 2
            assert changes >= each * 2 + 7 + each * 5 + 1
            break


def uris(path: AnyPath) -> list[str]:
    return list(parts.uris(path))


@KINDS
def test_every_reader_reads_each_row_of_a_half_compacted_output_once(
    tmp_path: Path, kind: Format
) -> None:
    layout = complete(tmp_path, kind)
    kept: dict[AnyPath, bytes] = {path: path.read_bytes() for path in tmp_path.rglob("part-*")}
    compact(layout, LARGE)
    [joined] = layout.prediction_parts()
    for path, data in kept.items():
        path.write_bytes(data)
    note = {
        "target": f"predictions/{joined.name}",
        "sources": [f"predictions/{path.name}" for path in kept if path.parent.name != "errors"],
    }
    layout.compaction.write_bytes(json.dumps(note).encode())
    for path in layout.errors.iterdir():
        if path not in kept:
            path.unlink()
    assert list(layout.prediction_parts()) == [joined]
    assert verify(tmp_path) == []
    # The joined part was never completed: its sources count.
    joined.unlink()
    assert len(list(layout.prediction_parts())) == 4
    assert verify(tmp_path) == []


@pytest.mark.parametrize(
    "note",
    [
        "",
        "[]",
        '{"target": 1, "sources": []}',
        '{"target": "errors/part-1", "sources": ["../precious"]}',
        '{"target": "errors/part-1", "sources": ["/etc/part-1"]}',
        '{"target": "errors/part-1", "sources": ["errors/part-/../../../precious"]}',
    ],
)
def test_a_damaged_or_hostile_note_deletes_nothing(tmp_path: Path, note: str) -> None:
    layout = complete(tmp_path)
    (layout.errors / "part-1").write_bytes(b"")
    layout.compaction.write_bytes(note.encode())
    before = sorted(tmp_path.rglob("*"))
    attempts: list[Again] = [*AGAIN.values(), lambda layout: verify(layout.root)]
    for attempt in attempts:
        with pytest.raises(OutputError, match=r"compaction.json: damaged \("):
            attempt(layout)
    assert sorted({*tmp_path.rglob("*")} - {layout.run}) == before


def test_verify_does_not_wait_for_a_compaction(tmp_path: Path) -> None:
    layout = complete(tmp_path)
    found: list[str] = []

    def look(_done: int, _of: int) -> None:
        with pytest.raises(OutputError) as caught:
            verify(tmp_path)
        found.append(str(caught.value))

    compact(layout, LARGE, look)
    assert set(found) == {f"{tmp_path}: is being compacted. Wait until that has ended."}


class TestFailuresAfterwards:
    def test_retryable_errors_are_dropped_and_others_kept(self, tmp_path: Path) -> None:
        layout = claimed(tmp_path)
        write_part(layout, "1", labelled("a"), failed("b"))
        write_part(layout, "2", labelled(), failed("c", code="corrupt", retryable=False))
        compact(layout, LARGE)
        assert parts.forget_errors(layout, []) == 1
        assert rows(layout) == ({"a"}, {"c"})
        write_part(layout, "3", labelled("b"), failed())
        compact(layout, LARGE)
        assert rows(layout) == ({"a", "b"}, {"c"})
        assert listed(layout) == {"predictions": 1, "errors": 1}

    def test_a_repeated_shard_is_kept_beside_the_joined_part(self, tmp_path: Path) -> None:
        layout = claimed(tmp_path)
        for _ in range(2):
            write_part(layout, "1", labelled(), failed("a"))
            write_part(layout, "2", labelled(), failed("b"))
            write_part(layout, "3", labelled(), failed("c", code="corrupt", retryable=False))
            compact(layout, LARGE)
            assert rows(layout) == (set(), {"a", "b", "c"})
            assert parts.forget_errors(layout, ["not_found", "corrupt"]) == 3
            assert rows(layout) == (set(), set())


def test_leftovers_of_a_killed_compaction_are_removed(tmp_path: Path) -> None:
    layout = complete(tmp_path)
    (layout.predictions / f".part-5.parquet.{'0' * 32}.tmp").write_bytes(b"half")
    compact(layout, LARGE)
    assert list(tmp_path.rglob("*.tmp")) == []


def test_wide_rows_are_read_in_small_batches(tmp_path: Path) -> None:
    """Rows with a vector of a thousand floats: bytes limit the row groups before rows do."""
    layout = Layout(tmp_path)
    identity.claim(layout, IDENTITY | {"emit": ["logits"]}, overwrite=False)
    names = [f"{index:05}" for index in range(9000)]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([0.5] * 9_000_000, pa.float32()), 1000)
    schema = PredictionSchema(("logits",), 1, None, {"module": "m"}).arrow()
    sides = pa.array([8] * 9000, pa.int32())
    table = pa.table(
        {"uri": names, "width": sides, "height": sides, "logits": vectors.cast(schema.types[3])},
        schema=schema,
    )
    for shard in range(9):
        write_part(layout, str(shard), table.slice(shard * 1000, 1000), failed())
    compact(layout, LARGE)
    [part] = layout.prediction_parts()
    assert pq.read_metadata(part).num_row_groups == 2
    assert pq.read_table(part).equals(table)
