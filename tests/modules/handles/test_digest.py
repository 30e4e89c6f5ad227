import os
import subprocess
from pathlib import Path

import pytest

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.digest import (
    differences,
    digest_of_file,
    digest_of_hashes,
    file_hashes,
    listing,
    parse_listing,
)

_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    module = tmp_path / "module"
    (module / "variables").mkdir(parents=True)
    (module / "variables" / "a b").write_bytes(b"abc")
    (module / "Z").write_bytes(b"")
    (module / "a").write_bytes(b"abc")
    (module / "é").write_bytes(b"")
    return module


def _digest(directory: Path) -> str:
    return digest_of_hashes(file_hashes(directory))


def test_the_listing_is_sorted_by_bytes(directory: Path) -> None:
    assert listing(file_hashes(directory)).decode() == (
        f"{_EMPTY}  Z\n{_ABC}  a\n{_ABC}  variables/a b\n{_EMPTY}  é\n"
    )


def test_the_documented_command_gives_the_digest(directory: Path) -> None:
    command = (
        r"find -L . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    )
    done = subprocess.run(["sh", "-c", command], cwd=directory, capture_output=True, check=True)
    assert _digest(directory) == "sha256:" + done.stdout.split()[0].decode()


def test_the_digest_of_a_file_is_that_of_its_content(directory: Path) -> None:
    assert digest_of_file(directory / "a") == f"sha256:{_ABC}"


def test_times_permissions_and_empty_directories_do_not_count(directory: Path) -> None:
    before = _digest(directory)
    os.utime(directory / "a", (1, 1))
    (directory / "a").chmod(0o600)
    (directory / "empty").mkdir()
    assert _digest(directory) == before


def test_a_link_to_a_file_counts_as_its_content(directory: Path) -> None:
    before = _digest(directory)
    (directory / "a").rename(directory.parent / "elsewhere")
    (directory / "a").symlink_to(directory.parent / "elsewhere")
    assert _digest(directory) == before


def test_names_and_contents_change_the_digest(directory: Path) -> None:
    before = _digest(directory)
    (directory / "a").rename(directory / "b")
    renamed = _digest(directory)
    (directory / "b").write_bytes(b"abd")
    assert len({before, renamed, _digest(directory)}) == 3


def test_a_listing_can_be_read_back(directory: Path) -> None:
    hashes = file_hashes(directory)
    assert parse_listing(listing(hashes)) == hashes


def test_differences_name_the_files() -> None:
    expected = {"a": "1", "b": "2", "c": "3"}
    assert differences(expected, {"b": "2", "c": "4", "d": "5"}) == [
        "missing: a",
        "changed: c",
        "added: d",
    ]


def test_a_link_to_a_directory_is_refused(directory: Path) -> None:
    (directory / "link").symlink_to(directory.parent)
    with pytest.raises(ModuleError, match="a link to a directory"):
        file_hashes(directory)


def test_a_dangling_link_is_refused(directory: Path) -> None:
    (directory / "link").symlink_to(directory / "nowhere")
    with pytest.raises(ModuleError, match="No such file"):
        file_hashes(directory)


def test_a_pipe_is_refused_without_reading(directory: Path) -> None:
    os.mkfifo(directory / "pipe")
    with pytest.raises(ModuleError, match="not a regular file"):
        file_hashes(directory)


@pytest.mark.parametrize("name", ["a\nb", "a\\b", "a\rb"])
def test_a_name_that_a_listing_cannot_hold_is_refused(directory: Path, name: str) -> None:
    (directory / name).write_bytes(b"")
    with pytest.raises(ModuleError, match="a plain name"):
        file_hashes(directory)
