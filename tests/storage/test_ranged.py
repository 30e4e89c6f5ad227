import io
import os
import random
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.storage.errors import Changed, Unsupported
from imagebeam.storage.local import LocalStore
from imagebeam.storage.ranged import BUFFER, FIRST_BLOCK, LARGEST_BLOCK, RangedFile
from imagebeam.storage.types import ObjectInfo, Settings

_MIB = 1 << 20


class _Noting(LocalStore):
    """A store that records its requests."""

    def __init__(self) -> None:
        super().__init__(Settings())
        self.ranges: list[tuple[int, int | None]] = []

    def read(
        self, uri: str, max_bytes: int, start: int = 0, size: int | None = None, version: str = ""
    ) -> bytes:
        self.ranges.append((start, size))
        return super().read(uri, max_bytes, start, size, version)


@pytest.fixture
def store() -> _Noting:
    return _Noting()


@pytest.fixture
def data() -> bytes:
    return random.Random(1).randbytes(20 * _MIB + 77)


@pytest.fixture
def file(store: _Noting, data: bytes, tmp_path: Path) -> io.BufferedReader:
    return _open(store, tmp_path / "data", data)


def _open(store: _Noting, path: Path, data: bytes) -> io.BufferedReader:
    path.write_bytes(data)
    return io.BufferedReader(RangedFile(store, store.info(str(path))), BUFFER)


def test_it_reads_and_seeks_as_a_file_does(file: io.BufferedReader, data: bytes) -> None:
    model = io.BytesIO(data)
    choose = random.Random(2)
    for _ in range(100):
        offset = choose.randrange(len(data) + 99)
        assert file.seek(offset) == model.seek(offset)
        for _ in range(choose.randrange(3)):
            length = choose.choice([0, 1, 512, 70_000, 3 * _MIB])
            assert file.read(length) == model.read(length)
            assert file.tell() == model.tell()
    assert file.seek(-77, os.SEEK_END) == 20 * _MIB
    assert file.seek(7, os.SEEK_CUR) == 20 * _MIB + 7
    assert file.read() == data[-70:]
    assert file.read() == b""


def test_sequential_reading_requests_growing_blocks_once(
    file: io.BufferedReader, store: _Noting, data: bytes
) -> None:
    parts = iter(lambda: file.read(10_000), b"")
    assert b"".join(parts) == data
    assert store.ranges == [
        (0, _MIB),
        (1 * _MIB, 2 * _MIB),
        (3 * _MIB, 4 * _MIB),
        (7 * _MIB, LARGEST_BLOCK),
        (15 * _MIB, 5 * _MIB + 77),
    ]


def test_reading_everything_uses_bounded_requests(
    file: io.BufferedReader, store: _Noting, data: bytes
) -> None:
    assert file.read() == data
    assert store.ranges == [
        (0, LARGEST_BLOCK),
        (LARGEST_BLOCK, LARGEST_BLOCK),
        (2 * LARGEST_BLOCK, 4 * _MIB + 77),
    ]


def test_a_jump_starts_with_a_small_block(file: io.BufferedReader, store: _Noting) -> None:
    file.read(3 * _MIB)
    store.ranges.clear()
    file.seek(12 * _MIB)
    file.read(1)
    file.seek(5 * _MIB)
    file.read(1)
    assert store.ranges == [(12 * _MIB, FIRST_BLOCK), (5 * _MIB, FIRST_BLOCK)]


def test_a_short_skip_does_not_read_the_gap(file: io.BufferedReader, store: _Noting) -> None:
    for offset in range(0, 3 * _MIB, 400_000):
        file.seek(offset)
        file.read(512)
    assert store.ranges == [(0, _MIB), (1_200_000, 2 * _MIB)]


def test_the_end_is_read_with_the_bytes_before_it(
    file: io.BufferedReader, store: _Noting, data: bytes
) -> None:
    file.seek(-22, os.SEEK_END)
    assert file.read(22) == data[-22:]
    file.seek(-900_000, os.SEEK_END)
    assert file.read(5) == data[-900_000:][:5]
    assert store.ranges == [(len(data) - FIRST_BLOCK, FIRST_BLOCK)]


def test_empty_objects_and_positions_beyond_the_end_need_no_request(
    store: _Noting, tmp_path: Path
) -> None:
    file = _open(store, tmp_path / "empty", b"")
    assert file.read() == file.read(5) == b""
    file.seek(10)
    assert file.read(1) == b""
    assert store.ranges == []


def test_a_changed_object_is_detected(file: io.BufferedReader, tmp_path: Path) -> None:
    file.read(1)
    (tmp_path / "data").write_bytes(b"another")
    file.seek(9 * _MIB)
    with pytest.raises(Changed):
        file.read(1)
    assert file.tell() == 9 * _MIB


def test_it_needs_the_size(store: _Noting) -> None:
    with pytest.raises(Unsupported, match="size is unknown"):
        RangedFile(store, ObjectInfo("x", None, ""))


def test_positions_before_the_start_are_refused(file: io.BufferedReader) -> None:
    with pytest.raises(ValueError, match="position -1"):
        file.seek(-1)


def test_lines_and_closing_work_like_any_file(store: _Noting, tmp_path: Path) -> None:
    with _open(store, tmp_path / "lines", b"one\ntwo\n") as file:
        assert list(io.TextIOWrapper(file)) == ["one\n", "two\n"]
    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        file.read(1)


def test_archives_can_be_read_through_it(store: _Noting, tmp_path: Path) -> None:
    with (
        tarfile.open(tmp_path / "a.tar", "w") as tar,
        zipfile.ZipFile(tmp_path / "a.zip", "w") as z,
    ):
        for n in range(50):
            info = tarfile.TarInfo(f"{n}.bin")
            info.size = 100_000
            tar.addfile(info, io.BytesIO(bytes([n]) * 100_000))
            z.writestr(f"{n}.bin", bytes([n]) * 100_000)
    pq.write_table(pa.table({"n": list(range(1000))}), tmp_path / "a.parquet")
    opened = {
        path.suffix: io.BufferedReader(RangedFile(store, store.info(str(path))))
        for path in tmp_path.glob("a.*")
    }
    with tarfile.open(fileobj=opened[".tar"]) as tar, zipfile.ZipFile(opened[".zip"]) as z:
        assert [info.name for info in tar] == z.namelist() == [f"{n}.bin" for n in range(50)]
        assert z.read("37.bin") == bytes([37]) * 100_000
    assert pq.read_table(opened[".parquet"]).column("n").to_pylist() == list(range(1000))
