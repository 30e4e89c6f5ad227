import io
import random
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebeam.images.containers.container import open_container
from imagebeam.images.containers.content_kinds import SNIFFED_BYTES
from imagebeam.images.containers.errors import DamagedContainerError
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.numbering import (
    numbered_after_the_first,
    numbered_before_the_last,
)
from imagebeam.images.containers.types import Entry, Member, MemberProblem
from imagebeam.images.errors import BadMember
from tests.images.containers.archives import RawEntry, content, opened, raw_zip, tar, zipped


def members(*names: str) -> list[Entry]:
    return [Member(name, (at,), ContainerKind.TAR) for at, name in enumerate(names)]


def tar_of(*found: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in found:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


_THREE = (("a.jpg", b"1"), ("b.jpg", b"0"), ("a.jpg", b"22"), ("a.jpg", b"333"))
_NAMED = {"a.jpg#1": b"1", "b.jpg": b"0", "a.jpg#2": b"22", "a.jpg": b"333"}


def test_the_last_of_a_name_in_an_archive_keeps_it() -> None:
    assert content(opened(tar_of(*_THREE), ContainerKind.TAR)) == _NAMED
    packed = raw_zip(*(RawEntry(name.encode(), data) for name, data in _THREE))
    assert content(opened(packed, ContainerKind.ZIP)) == _NAMED


def test_the_name_that_stays_is_what_tar_unpacks(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("unpacked")
    data = tar_of(*_THREE)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")
    found = content(opened(data, ContainerKind.TAR))
    assert found["a.jpg"] == (folder / "a.jpg").read_bytes()


def test_the_rule_holds_inside_archives_in_archives() -> None:
    data = zipped({"n.tar": tar_of(*_THREE), "a.jpg": b"4"})
    expected = {f"n.tar!/{name}": value for name, value in _NAMED.items()} | {"a.jpg": b"4"}
    assert content(opened(data, ContainerKind.ZIP)) == expected


def test_a_number_that_is_taken_is_left_out() -> None:
    jpeg = b"\xff\xd8\xff"
    data = tar_of(("a.jpg", b"1"), ("a.jpg#1", jpeg), ("a.jpg", b"2"), ("a.jpg", b"3"))
    expected = {"a.jpg#2": b"1", "a.jpg#1": jpeg, "a.jpg#3": b"2", "a.jpg": b"3"}
    assert content(opened(data, ContainerKind.TAR)) == expected


def test_members_before_damage_are_named_likewise() -> None:
    data = tar_of(*_THREE)
    found = content(opened(data[: 7 * 512 + 100], ContainerKind.TAR))
    assert found == {**_NAMED, "": "archive_damaged"}


def test_a_look_yields_at_once_and_by_number() -> None:
    container = opened(tar_of(*_THREE), ContainerKind.TAR)
    assert next(container.look()).name == "a.jpg"
    names = [entry.name for entry in container.look()]
    assert names == ["a.jpg", "b.jpg", "a.jpg#2", "a.jpg#3"]


class _Counted(io.BytesIO):
    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def test_an_archive_is_read_once() -> None:
    rng = random.Random(0)
    packed = tar({f"{number}.jpg": rng.randbytes(2000) for number in range(50)}, "w:gz")
    file = _Counted(packed)
    assert len(list(open_container(file, ContainerKind.TAR_GZIP))) == 50
    assert file.taken <= len(packed) + SNIFFED_BYTES


def test_members_are_reported_before_the_first_is_yielded() -> None:
    reported: list[int] = []
    container = opened(tar({f"{number}.jpg": b"" for number in range(2500)}), ContainerKind.TAR)
    found = container.entries(reported.append)
    assert next(found).name == "0.jpg"
    assert reported == [1000, 1000, 500]
    assert sum(1 for _ in found) == 2499


@pytest.mark.parametrize("seed", range(20))
def test_every_entry_gets_one_name(seed: int) -> None:
    """Compared with the rule written with all names at hand."""
    rng = random.Random(seed)
    names = [rng.choice(["a", "b", "a#1", "a#2", "b#2", "c"]) for _ in range(rng.randrange(3000))]
    entries = members(*names)
    found = list(numbered_before_the_last(iter(entries)))
    assert [entry._replace(name="") for entry in found] == [e._replace(name="") for e in entries]
    assert len({entry.name for entry in found}) == len(names)
    for name in set(names):
        last = max(at for at, each in enumerate(names) if each == name)
        assert found[last].name == name
    after = list(numbered_after_the_first(iter(entries)))
    assert len({entry.name for entry in after}) == len(names)
    if names:
        assert after[0].name == names[0]


@pytest.mark.parametrize("size", [0, 1000, 1 << 20])
def test_a_file_holds_what_is_too_much_for_memory(size: int) -> None:
    entries = members(*(str(number % 2900) for number in range(3000)))
    found = list(numbered_before_the_last(entries, bytes_in_memory=size))
    assert [entry.name for entry in found[:101]] == [*(f"{n}#1" for n in range(100)), "100"]


def test_a_missing_folder_for_temporary_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    expected = f"the list of its members has no room in {tmp_path}/gone: No such file or directory"
    with pytest.raises(OSError, match=expected):
        list(numbered_before_the_last(members("a", "b"), bytes_in_memory=1))


def test_errors_keep_their_reason_and_an_exception_comes_last() -> None:
    def broken() -> Iterator[Entry]:
        yield MemberProblem("a", BadMember("why"))
        yield from members("a")
        raise DamagedContainerError("here")

    found = numbered_before_the_last(broken())
    first, second = next(found), next(found)
    with pytest.raises(DamagedContainerError, match="here"):
        next(found)
    assert isinstance(first, MemberProblem)
    assert (first.name, str(first.error), second.name) == ("a#1", "why", "a")
