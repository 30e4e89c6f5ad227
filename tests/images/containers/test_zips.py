import io
import struct
import zipfile

import pytest

from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import ContainerLimits, MemberProblem
from tests.images.containers.archives import PICTURES, content, opened, zipped


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_every_method_is_read(method: int) -> None:
    assert content(opened(zipped(method=method), ContainerKind.ZIP)) == PICTURES


def test_an_unsupported_method_is_an_error_row() -> None:
    data = bytearray(zipped({"a.jpg": b"1", "b.jpg": b"2"}))
    at = data.index(b"PK\1\2") + 10
    data[at : at + 2] = b"\x09\0"
    found = content(opened(bytes(data), ContainerKind.ZIP))
    assert found == {"a.jpg": "bad_member", "b.jpg": b"2"}


def test_only_visible_images_are_listed() -> None:
    others = dict.fromkeys(("folder/", "x.txt", "__MACOSX/._a.jpg", ".a.jpg"), b"")
    assert content(opened(zipped({**others, **PICTURES}), ContainerKind.ZIP)) == PICTURES


def test_names_have_no_special_meaning() -> None:
    strange = {"../../etc/a.jpg": b"1", "/etc/b.jpg": b"2", "a!/b.jpg": b"3"}
    assert content(opened(zipped(strange), ContainerKind.ZIP)) == strange


def test_an_encrypted_member_affects_only_itself() -> None:
    data = bytearray(zipped({"a.jpg": b"1", "b.jpg": b"2"}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    found = {
        entry.name: str(entry.error) if isinstance(entry, MemberProblem) else "fine"
        for entry in opened(bytes(data), ContainerKind.ZIP)
    }
    assert found == {
        "a.jpg": "it is encrypted. Pack the archive without a password",
        "b.jpg": "fine",
    }


def test_members_that_share_their_bytes_are_refused() -> None:
    """Return a bomb: many names for one piece of data, as in CVE-2024-0450."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", b"\0" * 100_000)
        first = archive.infolist()[0]
        for index in range(3):
            again = zipfile.ZipInfo(f"b{index}.jpg")
            again.header_offset, again.CRC = first.header_offset, first.CRC
            again.compress_size, again.file_size = first.compress_size, first.file_size
            again.compress_type = first.compress_type
            archive.filelist.append(again)
        archive.writestr("z.jpg", b"fine")
    try:
        found = content(opened(buffer.getvalue(), ContainerKind.ZIP))
    finally:
        buffer.close()
    assert found.pop("z.jpg") == b"fine"
    assert set(found.values()) == {"bad_member"}
    assert set(found) == {"a.jpg", "b0.jpg", "b1.jpg", "b2.jpg"}


def test_a_false_size_is_an_error_row() -> None:
    data = bytearray(zipped({"a.jpg": b"1" * 100}))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 50)
    assert content(opened(bytes(data), ContainerKind.ZIP)) == {"a.jpg": "bad_member"}


def test_a_wrong_checksum_is_an_error_row() -> None:
    data = bytearray(zipped({"a.jpg": b"one", "b.jpg": b"two"}, zipfile.ZIP_STORED))
    data[data.index(b"one")] ^= 1
    assert content(opened(bytes(data), ContainerKind.ZIP)) == {
        "a.jpg": "bad_member",
        "b.jpg": b"two",
    }


def test_damaged_data_is_an_error_row() -> None:
    data = bytearray(zipped({"a.jpg": bytes(range(256)) * 8, "b.jpg": b"two"}))
    at = data.index(b"a.jpg") + 5
    data[at : at + 8] = b"\xff" * 8
    assert content(opened(bytes(data), ContainerKind.ZIP)) == {
        "a.jpg": "bad_member",
        "b.jpg": b"two",
    }


def test_a_zip_bomb_is_refused() -> None:
    data = zipped({"a.jpg": b"\0" * 11_000_000, "b.jpg": b"\0" * 9_000_000})
    found = content(
        opened(data, ContainerKind.ZIP, limits=ContainerLimits(ratio=500)), max_bytes=100_000_000
    )
    assert found == {"a.jpg": "bad_member", "b.jpg": b"\0" * 9_000_000}


def test_a_member_over_the_limit_is_an_error_row() -> None:
    found = content(
        opened(zipped({"a.jpg": b"12345", "b.jpg": b"1234"}), ContainerKind.ZIP), max_bytes=4
    )
    assert found == {"a.jpg": "file_too_large", "b.jpg": b"1234"}


def test_a_member_too_many_ends_the_listing() -> None:
    found = content(opened(zipped(), ContainerKind.ZIP, limits=ContainerLimits(members=2)))
    assert list(found.values()) == [*list(PICTURES.values())[:2], "archive_limit"]


def test_a_truncated_zip_has_no_index() -> None:
    data = zipped()
    for end in range(0, len(data), 16):
        assert content(opened(data[:end], ContainerKind.ZIP)) == {"": "archive_damaged"}


@pytest.mark.parametrize("at", range(0, 1000, 7))
def test_no_wrong_byte_changes_an_image(at: int) -> None:
    data = bytearray(zipped())
    data[at % len(data)] ^= 0xFF
    for name, value in content(opened(bytes(data), ContainerKind.ZIP)).items():
        assert value in (*PICTURES.values(), "bad_member", "archive_damaged", "file_too_large")
        assert name in PICTURES or value != PICTURES.get(name) or not name


def test_joined_zips_are_all_read() -> None:
    parts = [
        zipped({"a.jpg": b"1"}),
        zipped({"b.jpg": b"2", "a.jpg": b"3"}),
        zipped({"c.jpg": b"4"}),
    ]
    found = content(opened(b"".join(parts), ContainerKind.ZIP))
    assert found == {"a.jpg#1": b"1", "b.jpg": b"2", "a.jpg": b"3", "c.jpg": b"4"}


def test_what_is_in_the_last_part_of_several_is_read() -> None:
    data = zipped({"a.jpg": b"1", "b.jpg": b"2"})
    [first, second] = opened(data[9:], ContainerKind.ZIP)
    assert isinstance(first, MemberProblem)
    assert str(first.error) == (
        "the first 9 bytes of the archive are missing. If it is one part of several, join them: "
        "`cat PART1 PART2 > whole.zip`"
    )
    assert (first.name, second.name) == ("a.jpg", "b.jpg")
    only_index = data[data.index(b"PK\1\2") :]
    for part, found in ((data[9:], b"2"), (only_index, "bad_member")):
        expected = {"a.jpg": "bad_member", "b.jpg": found}
        assert content(opened(part, ContainerKind.ZIP)) == expected


def test_a_damaged_zip_before_another_is_reported() -> None:
    first = bytearray(zipped({"a.jpg": b"1"}))
    # The size of its index, beyond what precedes it.
    first[-10:-6] = struct.pack("<I", 1 << 20)
    *found, problem = opened(bytes(first) + zipped({"b.jpg": b"2"}), ContainerKind.ZIP)
    assert [each.name for each in found] == ["b.jpg"]
    assert isinstance(problem, MemberProblem)
    assert (problem.name, problem.error.code) == ("", "archive_damaged")


def test_a_comment_may_hold_the_mark_of_an_end() -> None:
    buffer = io.BytesIO(zipped({"a.jpg": b"1"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"PK\5\6" + b"x" * 100
    assert content(opened(buffer.getvalue(), ContainerKind.ZIP)) == {"a.jpg": b"1"}
