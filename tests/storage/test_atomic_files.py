import os
import stat
import uuid
from pathlib import Path

import pytest

from imagebeam.storage import atomic_files
from imagebeam.storage.atomic_files import (
    atomic_file,
    atomic_folder,
    leftovers,
    place_new,
    remove_leftovers,
    write_file,
)


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"1")
    write_file(tmp_path / "a", b"22")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"22")]


def test_a_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_file(tmp_path / "a", b"1")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "plain")]
    assert modes[0] == modes[1]


def test_a_file_has_its_name_only_once_it_is_complete(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a") as file:
        file.write(b"1")
        assert not (tmp_path / "a").exists()
        assert len([*leftovers(tmp_path)]) == 1
    assert os.listdir(tmp_path) == ["a"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"old")
    with pytest.raises(TypeError), atomic_file(tmp_path / "a") as file:
        file.write(1)  # type: ignore[call-overload]
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"directory: '.*/page\.html'$") as caught:
        write_file(tmp_path / folder / "page.html", b"new")
    assert caught.value.filename == str(tmp_path / folder / "page.html")


def test_a_link_of_that_name_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "a").symlink_to("victim")
    write_file(tmp_path / "a", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert not (tmp_path / "a").is_symlink()


def test_a_file_can_be_placed_only_where_there_is_none(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a", place_new) as file:
        file.write(b"1")
    with pytest.raises(FileExistsError), atomic_file(tmp_path / "a", place_new) as file:
        file.write(b"2")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"1")]


def test_only_what_is_left_of_one_name_is_removed(tmp_path: Path) -> None:
    unique = uuid.uuid4().hex
    (tmp_path / f".a[1].csv.{unique}.tmp").touch()
    (tmp_path / f".a[1].csv.{unique[::-1]}.tmp").mkdir()
    (tmp_path / f".a[1].csv.{unique[::-1]}.tmp" / "file").touch()
    others = [
        *(".a[1].csv.tmp", ".a[1].csv.mine.tmp", f".a1.csv.{unique}.tmp", "a[1].csv"),
        f".a[1].csv.b.{unique}.tmp",
    ]
    for name in others:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path / "a[1].csv")
    assert sorted(os.listdir(tmp_path)) == sorted(others)


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "b" / "a") as folder:
        (folder / "x").write_bytes(b"1")
        assert not (tmp_path / "b" / "a").exists()
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["a"]
    assert (tmp_path / "b" / "a" / "x").read_bytes() == b"1"


def test_a_folder_is_replaced_on_request_only(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    with pytest.raises(OSError, match="not empty"), atomic_folder(tmp_path / "a") as folder:
        (folder / "new").touch()
    assert os.listdir(tmp_path / "a") == ["old"]
    with atomic_folder(tmp_path / "a", replace=True) as folder:
        (folder / "new").touch()
    assert os.listdir(tmp_path) == ["a"]
    assert os.listdir(tmp_path / "a") == ["new"]


def test_an_error_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "a") as folder:
        (folder / "none" / "x").touch()
    assert os.listdir(tmp_path) == []


def test_leftovers_are_found_by_their_final_name(tmp_path: Path) -> None:
    ours = f".a[1].{uuid.uuid4().hex}.tmp"
    other = f".b.{uuid.uuid4().hex}.tmp"
    for name in (ours, other, ".b.0123.tmp", "a[1].tmp", ".hidden"):
        (tmp_path / name).touch()
    assert [path.name for path in leftovers(tmp_path, "a[1]")] == [ours]
    assert {path.name for path in leftovers(tmp_path)} == {ours, other}


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("making a device needs root")
    with pytest.raises(OSError, match="It is a device, not a file") as caught:
        write_file(device, b"1")
    assert caught.value.filename == str(device)
    assert device.is_char_device()
    assert os.listdir(tmp_path) == ["null"]
    # Links to devices that are planted elsewhere are replaced, and not followed.
    (tmp_path / "link").symlink_to(device)
    write_file(tmp_path / "link", b"1")
    assert (tmp_path / "link").read_bytes() == b"1"


def test_a_link_among_the_devices_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_files, "_DEVICES", tmp_path)
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    with pytest.raises(OSError, match="It is a device"):
        write_file(tmp_path / "stdout", b"1")
    assert (tmp_path / "stdout").is_symlink()
