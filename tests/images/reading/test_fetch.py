import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagebeam.images.errors import FetchError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.fetch import fetch

NOBODY = 65534


def outcome(uri: str | Path, max_bytes: int = 1000) -> tuple[str, str]:
    """Return the code and the message of the error that fetching ends in."""
    with pytest.raises(FetchError) as caught:
        fetch(ImageLocation(str(uri)), max_bytes)
    return caught.value.code, str(caught.value)


@contextmanager
def without_rights() -> Iterator[None]:
    """Run as a user without root's permissions."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    data = os.urandom(100_000)
    (tmp_path / "a.jpg").write_bytes(data)
    assert fetch(ImageLocation(str(tmp_path / "a.jpg")), 100_000) == data


def test_an_empty_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert fetch(ImageLocation(str(tmp_path / "a.jpg")), 1) == b""


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"data")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert fetch(ImageLocation(str(tmp_path / "b.jpg")), 1000) == b"data"


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    found = ("not_found", "No such file or directory")
    assert outcome(tmp_path / "a.jpg") == found
    (tmp_path / "dangling.jpg").symlink_to("a.jpg")
    assert outcome(tmp_path / "dangling.jpg") == found


def test_impossible_file_names_are_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert outcome(tmp_path / "file" / "a.jpg") == ("not_found", "Not a directory")
    assert outcome(tmp_path / "loop.jpg") == ("not_found", "Too many levels of symbolic links")
    assert outcome(tmp_path / ("a" * 256)) == ("not_found", "File name too long")
    assert outcome(f"{tmp_path}/a\0.jpg") == ("not_found", "embedded null byte")
    assert outcome("/\ud800.jpg")[0] == "not_found"


def test_a_file_without_permission_is_denied() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "a.jpg")
        path.write_bytes(b"data")
        with without_rights():
            assert fetch(ImageLocation(str(path)), 1000) == b"data"
        path.chmod(0)
        with without_rights():
            assert outcome(path) == ("permission_denied", "Permission denied")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").mkdir()
    assert outcome(tmp_path / "a.jpg") == ("not_a_file", "folder, not a regular file")


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    assert outcome(tmp_path / "a.jpg") == ("not_a_file", "pipe, not a regular file")


def test_a_socket_is_not_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The address of a socket has at most 107 bytes.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("a.jpg")
        expected = ("not_a_file", "socket or device, not a regular file")
        assert outcome(tmp_path / "a.jpg") == expected


def test_a_device_is_not_a_file() -> None:
    assert outcome("/dev/zero") == ("not_a_file", "device, not a regular file")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(1 << 40)
    expected = ("file_too_large", "1,099,511,627,776 bytes, over the limit of 1,000")
    assert outcome(tmp_path / "a.jpg") == expected


def test_a_file_at_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(bytes(1000))
    assert len(fetch(ImageLocation(str(tmp_path / "a.jpg")), 1000)) == 1000
    assert outcome(tmp_path / "a.jpg", 999)[0] == "file_too_large"


def test_a_file_with_more_than_its_size_is_read_to_its_end() -> None:
    # The kernel creates this file's content on reading, and reports the size 0.
    path = Path("/proc/version")
    assert path.stat().st_size == 0
    content = path.read_bytes()
    assert fetch(ImageLocation(str(path)), 1000) == content
    assert fetch(ImageLocation(str(path)), len(content)) == content
    expected = ("file_too_large", "grew over the limit of 10 bytes while it was read")
    assert outcome(path, 10) == expected


def test_a_storage_failure_is_reported() -> None:
    # The first page of a process's memory is never mapped: reading it is an I/O error.
    assert outcome("/proc/self/mem") == ("read_failed", "Input/output error")


@pytest.mark.parametrize("scheme", ["gs", "s3", "http", "https", "data", "ftp"])
def test_other_schemes_are_refused(scheme: str) -> None:
    expected = ("unsupported_scheme", f"{scheme}:// cannot be read")
    assert outcome(f"{scheme}://host/a.jpg") == expected


def test_a_file_uri_is_read(tmp_path: Path) -> None:
    (tmp_path / "a b.jpg").write_bytes(b"data")
    assert fetch(ImageLocation(f"file://{tmp_path}/a%20b.jpg"), 1000) == b"data"


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "large.jpg").write_bytes(bytes(10))
    (tmp_path / "folder.jpg").mkdir()
    before = sorted(os.listdir("/proc/self/fd"))
    for name in ("pipe.jpg", "large.jpg", "folder.jpg", "none.jpg"):
        outcome(tmp_path / name, 5)
    assert sorted(os.listdir("/proc/self/fd")) == before
