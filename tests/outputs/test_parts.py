import itertools
import resource
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from imagebeam.outputs import parts
from imagebeam.outputs.layout import Format, Layout, remove_temporaries
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.schema import ERRORS, PredictionSchema
from imagebeam.storage import AnyPath, Location
from tests.outputs.outputs import below, claimed, failed, labelled, rows, storage_that_goes_after

ID = "0" * 32


def files(layout: Layout) -> list[str]:
    return sorted(name for name in below(layout.root) if not name.startswith("job/"))


def read_table(part: AnyPath) -> pa.Table:
    with parts.opened(part) as file:
        return file.read()


@pytest.fixture
def layout(root: AnyPath) -> Layout:
    return claimed(root)


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_each_kind_of_row_has_its_file(root: AnyPath, kind: Format) -> None:
    layout = claimed(root, kind)
    write_part(layout, ID, labelled("a", "b"), failed("c"))
    assert files(layout) == [f"errors/part-{ID}.parquet", f"predictions/part-{ID}.{kind}"]
    assert list(parts.uris(layout.prediction_part(ID))) == ["a", "b"]
    assert list(parts.uris(layout.error_part(ID))) == ["c"]


def test_a_kind_without_rows_has_no_file(layout: Layout) -> None:
    write_part(layout, ID, labelled("a"), failed())
    assert files(layout) == [f"predictions/part-{ID}.parquet"]
    write_part(layout, ID, labelled(), failed("a"))
    assert files(layout) == [f"errors/part-{ID}.parquet"]
    write_part(layout, ID, labelled(), failed())
    assert files(layout) == []


def test_readers_can_skip_by_uri(layout: Layout) -> None:
    write_part(layout, ID, labelled("a", "b"), failed("c"))
    for part in (layout.prediction_part(ID), layout.error_part(ID)):
        with parts.opened(part) as file:
            uri = file.metadata.row_group(0).column(0)
            assert uri.path_in_schema == "uri"
            assert uri.has_column_index
            assert uri.has_offset_index
            assert uri.bloom_filter_length < 100


def test_the_rows_are_written_unchanged(layout: Layout) -> None:
    write_part(layout, ID, labelled("a", "b"), failed("c", code="corrupt", retryable=False))
    assert read_table(layout.prediction_part(ID)).equals(labelled("a", "b"))
    errors = read_table(layout.error_part(ID))
    assert errors.schema.equals(ERRORS)
    assert errors.to_pylist() == [
        {
            "uri": "c",
            "stage": "fetch",
            "code": "corrupt",
            "message": "message",
            "retryable": False,
        }
    ]


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_a_repeated_shard_has_the_same_bytes(
    root: AnyPath,
    kind: Format,
) -> None:
    layout = claimed(root, kind)
    found = []
    for _ in range(2):
        write_part(layout, ID, labelled("a", "b"), failed("c"))
        found.append(layout.prediction_part(ID).read_bytes())
        found.append(layout.error_part(ID).read_bytes())
    assert found[:2] == found[2:]


STATES = [
    (set(labels), {"a", "b"} - set(labels))
    for size in range(3)
    for labels in itertools.combinations("ab", size)
]


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
@pytest.mark.parametrize("before", [None, *STATES])
def test_no_image_is_in_both_files_at_any_time(
    root: AnyPath,
    before: tuple[set[str], set[str]] | None,
    kind: Format,
) -> None:
    """Test every state that an earlier attempt can leave, with a kill at every change."""
    for number, after in enumerate(STATES):
        layout = claimed(root / str(number), kind)
        for changes in count():
            if before is not None:
                write_part(layout, ID, labelled(*sorted(before[0])), failed(*sorted(before[1])))
            try:
                with storage_that_goes_after(changes, layout.root):
                    write_part(layout, ID, labelled(*sorted(after[0])), failed(*sorted(after[1])))
            except OSError:
                labels, errors = rows(layout)
                assert labels & errors == set()
                assert labels | errors <= {"a", "b"}
                remove_temporaries(layout)
                expected = {f"part-{ID}.{kind}", f"part-{ID}.parquet"}
                assert {Path(name).name for name in files(layout)} <= expected
            else:
                assert rows(layout) == after
                # Errors are removed; each file is made and, except in a bucket, renamed.
                taken = before is not None and bool(before[1])
                each = 1 if isinstance(root, Location) else 2
                assert changes >= taken + each * (bool(after[0]) + bool(after[1]))
                break
            # The next run has working storage.
            write_part(layout, ID, labelled(*sorted(after[0])), failed(*sorted(after[1])))
            assert rows(layout) == after
            write_part(layout, ID, labelled(), failed())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that cannot hold a megabyte: a small disk, or else a file size limit."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode == 0:
        yield folder
        subprocess.run(["umount", folder], check=True)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    yield folder
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_a_full_disk_leaves_no_part_of_a_file(
    small_disk: Path,
    kind: Format,
) -> None:
    layout = claimed(small_disk / "out", kind)
    write_part(layout, ID, labelled("a"), failed())
    noise = np.random.default_rng(1).random((1000, 500), np.float32)
    sides = np.ones(1000, np.int32)
    uris = [f"/folder/{index}.jpg" for index in range(1000)]
    large = PredictionSchema(("logits",), 1, None, {}).table(uris, sides, sides, None, noise, None)
    with pytest.raises(OSError, match=r"No space left on device|File too large"):
        write_part(layout, "1" * 32, large, failed("b"))
    assert files(layout) == [f"predictions/part-{ID}.{kind}"]
    # The permission is restored.
    write_part(layout, "2" * 32, labelled("c"), failed("d"))
    assert rows(layout) == ({"a", "c"}, {"d"})


class TestForgetErrors:
    @pytest.fixture(autouse=True)
    def _errors(self, layout: Layout) -> None:
        write_part(
            layout,
            "0" * 32,
            labelled("a"),
            pa.concat_tables([failed("b", "c"), failed("d", code="corrupt", retryable=False)]),
        )
        write_part(layout, "1" * 32, labelled(), failed("e", code="read_failed"))
        write_part(layout, "2" * 32, labelled("f"), failed("g", code="corrupt", retryable=False))

    def test_without_codes_all_retryable_errors_are_dropped(self, layout: Layout) -> None:
        assert parts.forget_errors(layout, []) == 3
        assert rows(layout) == ({"a", "f"}, {"d", "g"})
        assert not layout.error_part("1" * 32).exists()
        assert read_table(layout.error_part("0" * 32)).schema.equals(ERRORS)

    def test_named_codes_are_dropped_retryable_or_not(self, layout: Layout) -> None:
        assert parts.forget_errors(layout, ["corrupt", "read_failed"]) == 3
        assert rows(layout) == ({"a", "f"}, {"b", "c"})

    def test_codes_that_did_not_occur_drop_nothing(self, layout: Layout) -> None:
        before = layout.error_part("0" * 32).read_bytes()
        assert parts.forget_errors(layout, ["truncated"]) == 0
        assert rows(layout) == ({"a", "f"}, {"b", "c", "d", "e", "g"})
        assert layout.error_part("0" * 32).read_bytes() == before

    def test_an_output_without_errors_is_unchanged(self, root: AnyPath) -> None:
        assert parts.forget_errors(claimed(root / "empty"), failed()) == 0

    def test_after_a_kill_fewer_errors_are_dropped_and_no_other_row_is_lost(
        self, layout: Layout
    ) -> None:
        for changes in count():
            try:
                with storage_that_goes_after(changes, layout.root):
                    parts.forget_errors(layout, [])
            except OSError:
                labels, errors = rows(layout)
                assert labels == {"a", "f"}
                assert {"d", "g"} <= errors <= {"b", "c", "d", "e", "g"}
                remove_temporaries(layout)
            else:
                break
        assert rows(layout) == ({"a", "f"}, {"d", "g"})

    def test_a_folder_that_looks_like_a_partition_adds_no_column(self, root: AnyPath) -> None:
        layout = claimed(root / "code=corrupt" / "out")
        write_part(
            layout,
            ID,
            labelled(),
            pa.concat_tables([failed("a", "b"), failed("c", code="read_failed")]),
        )
        assert parts.forget_errors(layout, ["read_failed"]) == 1
        assert rows(layout) == (set(), {"a", "b"})
        assert read_table(layout.error_part(ID)).schema.equals(ERRORS)


def test_an_image_moves_between_predictions_and_errors(layout: Layout) -> None:
    write_part(layout, ID, labelled("a"), failed("b"))
    for turn in range(3):
        assert parts.forget_errors(layout, []) == 1
        assert rows(layout) == ({"a"}, set())
        # The images of the next run are another shard with another name.
        write_part(layout, f"{turn + 1}" * 32, labelled(), failed("b"))
        assert rows(layout) == ({"a"}, {"b"})
    assert parts.forget_errors(layout, []) == 1
    write_part(layout, "f" * 32, labelled("b"), failed())
    assert rows(layout) == ({"a", "b"}, set())
    # A repeated shard can have other outcomes.
    write_part(layout, "f" * 32, labelled(), failed("b"))
    assert rows(layout) == ({"a"}, {"b"})
    write_part(layout, "f" * 32, labelled("b"), failed())
    assert rows(layout) == ({"a", "b"}, set())
