import os
import stat
from itertools import count
from pathlib import Path

import pytest

from imagebeam.outputs.files import remove, temporaries, write_whole
from imagebeam.outputs.layout import Layout, remove_temporaries
from imagebeam.storage import AnyPath
from tests.outputs.outputs import below, storage_that_goes_after


def test_a_link_to_itself_is_no_part(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.predictions.mkdir()
    (tmp_path / "predictions" / "part-1.parquet").symlink_to("part-1.parquet")
    (tmp_path / "predictions" / "part-2.parquet").touch()
    assert [part.name for part in layout.prediction_parts()] == ["part-2.parquet"]


def test_every_file_has_its_path() -> None:
    layout = Layout(Path("/out"))
    assert layout.prediction_part("12") == Path("/out/predictions/part-12.parquet")
    assert layout.error_part("12") == Path("/out/errors/part-12.parquet")
    assert layout.summary == Path("/out/summary.json")
    assert layout.identity == Path("/out/job/identity.json")
    assert layout.plan == Path("/out/job/plan.json")
    assert layout.stdin == Path("/out/job/stdin.txt")
    assert layout.log == Path("/out/job/log.txt")
    digest = "sha256:0123456789abcdef0123"
    assert layout.module(digest, ".tflite") == Path("/out/job/module-0123456789abcdef.tflite")


def test_errors_are_always_parquet() -> None:
    layout = Layout(Path("/out"), "tfrecord")
    assert layout.prediction_part("12") == Path("/out/predictions/part-12.tfrecord")
    assert layout.error_part("12") == Path("/out/errors/part-12.parquet")


def test_parts_are_those_that_are_finished_and_of_the_format(root: AnyPath) -> None:
    layout = Layout(root, "tfrecord")
    assert list(layout.prediction_parts()) == []
    assert list(layout.error_parts()) == []
    names = ["part-1.tfrecord", "part-2.parquet", ".part-3.tfrecord.x.tmp", "x.tfrecord", "part-4"]
    for folder in (layout.predictions, layout.errors):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_bytes(b"")
    assert list(layout.prediction_parts()) == [layout.predictions / "part-1.tfrecord"]
    assert list(layout.error_parts()) == [layout.errors / "part-2.parquet"]


class TestWriteWhole:
    def test_a_document_is_written_and_replaced(self, root: AnyPath) -> None:
        root.mkdir()
        write_whole(root / "a", b"1")
        write_whole(root / "a", b"")
        write_whole(root / "b", b"2" * 100_000)
        assert below(root) == {"a": b"", "b": b"2" * 100_000}

    def test_a_document_has_the_permissions_of_any_new_file(self, tmp_path: Path) -> None:
        (tmp_path / "plain").touch()
        write_whole(tmp_path / "a", b"1")
        modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "plain")]
        assert modes[0] == modes[1]

    def test_a_failed_write_leaves_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        with pytest.raises(IsADirectoryError):
            write_whole(tmp_path / "a", b"1")
        assert os.listdir(tmp_path) == ["a"]
        with pytest.raises(FileNotFoundError):
            write_whole(tmp_path / "none" / "a", b"1")

    @pytest.mark.parametrize("before", [None, b"old"])
    def test_after_a_kill_the_file_is_the_old_or_the_new_one(
        self, tmp_path: Path, before: bytes | None
    ) -> None:
        path = tmp_path / "a"
        for changes in count():
            if before is not None:
                path.write_bytes(before)
            try:
                with storage_that_goes_after(changes, tmp_path):
                    write_whole(path, b"new")
            except OSError:
                assert (path.read_bytes() if path.exists() else None) == before
            else:
                assert path.read_bytes() == b"new"
                assert changes == 2
                break


def test_a_file_is_removed_if_it_exists(root: AnyPath) -> None:
    root.mkdir()
    for name in ("a", "b"):
        write_whole(root / name, b"1")
    for _ in range(2):
        remove(root / "a")
        assert below(root) == {"b": b"1"}


def test_only_unfinished_files_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    kept = ["part-1.parquet", ".hidden", "x.tmp", ".backup.2026.tmp"]
    unfinished = f".part-2.parquet.{'0123456789abcdef' * 2}.tmp"
    folders = [tmp_path / name for name in ("predictions", "errors", "job")]
    for folder in folders:
        folder.mkdir()
        for name in (*kept, unfinished):
            (folder / name).touch()
    (tmp_path / unfinished).touch()
    assert list(temporaries(layout.job)) == [tmp_path / "job" / unfinished]
    remove_temporaries(layout)
    for folder in folders:
        assert sorted(os.listdir(folder)) == sorted(kept)
    assert sorted(os.listdir(tmp_path)) == ["errors", "job", "predictions"]


def test_removing_unfinished_files_from_a_new_output_is_not_an_error(tmp_path: Path) -> None:
    remove_temporaries(Layout(tmp_path / "none"))
