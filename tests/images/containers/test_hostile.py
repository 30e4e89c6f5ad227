"""Test sizes, positions and names that no real tool writes, in every format."""

import gc
import io
import struct
import tarfile
import weakref
import zlib
from typing import Any

import google_crc32c
import pytest

from imagebeam.errors import RAISE_UNEXPECTED
from imagebeam.images.containers.container import open_container
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import ContainerLimits, MemberProblem
from tests.images.containers.archives import (
    PICTURES,
    RawEntry,
    content,
    opened,
    raw_zip,
    tar,
    tfrecords,
    zipped,
)

SIZES = [(1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


def _tar_header(size: int) -> bytes:
    header = bytearray(tarfile.TarInfo("b.jpg").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\x80" + size.to_bytes(11, "big")
    # The checksum counts its own eight bytes as spaces.
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * ord(" ") + sum(header[156:]))
    return bytes(header)


@pytest.mark.parametrize("size", [*SIZES, (1 << 88) - 1])
def test_a_tar_size_beyond_any_file_is_damage(size: int) -> None:
    first = tar({"a.jpg": b"a"})[:1024]
    found = content(opened(first + _tar_header(size) + b"x" * 512, ContainerKind.TAR), 1 << 99)
    assert found.pop("a.jpg") == b"a"
    assert found.pop("") == "archive_damaged"
    assert set(found.values()) <= {"bad_member"}


@pytest.mark.parametrize("size", [*map(str, SIZES), "9" * 30, "-1", "x", ""])
@pytest.mark.parametrize("kind", [ContainerKind.TAR, ContainerKind.TAR_GZIP])
def test_a_pax_size_beyond_any_file_is_damage(size: str, kind: ContainerKind) -> None:
    buffer = io.BytesIO()
    mode = "w" if kind is ContainerKind.TAR else "w:gz"
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        archive.addfile(tarfile.TarInfo("a.jpg"))
        info = tarfile.TarInfo("b.jpg")
        info.pax_headers = {"size": size}
        archive.addfile(info)
    found = content(opened(buffer.getvalue(), kind), 1 << 99)
    assert found.pop("a.jpg") == b""
    assert found.pop("") == "archive_damaged"
    assert set(found.values()) <= {"bad_member"}


def _masked(data: bytes) -> bytes:
    checksum = google_crc32c.value(data)
    return struct.pack("<I", (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


@pytest.mark.parametrize("size", SIZES)
def test_a_record_size_beyond_any_file_is_damage(size: int) -> None:
    length = struct.pack("<Q", size)
    packed = tfrecords(b"") + length + _masked(length) + b"x"
    found = content(opened(packed, ContainerKind.TFRECORD))
    assert found == {"record=1": "bad_member", "": "archive_damaged"}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("field", [0, 1, 2])
def test_a_zip64_position_beyond_any_file_is_damage(size: int, field: int) -> None:
    data = raw_zip(RawEntry(b"a.jpg", b"a"))
    values = [1, 1, data.index(b"PK\1\2")]
    values[field] = size
    extra = struct.pack("<HHQQQ", 1, 24, *values)
    marks = (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    packed = raw_zip(RawEntry(b"a.jpg", b"a"), RawEntry(b"b.jpg", b"b", 0, extra, *marks))
    found = content(opened(packed, ContainerKind.ZIP))
    assert found["a.jpg"] == b"a"
    assert found["b.jpg"] in ("bad_member", "file_too_large")


def test_a_missing_zip64_field_affects_only_its_member() -> None:
    marks = (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    packed = raw_zip(RawEntry(b"a.jpg", b"a"), RawEntry(b"b.jpg", b"b", 0, b"", *marks))
    assert content(opened(packed, ContainerKind.ZIP)) == {"a.jpg": b"a", "b.jpg": "bad_member"}


@pytest.mark.parametrize("fields", [(16, "<H"), (12, "<I"), (10, "<H"), (8, "<H")])
@pytest.mark.parametrize("value", [0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_false_end_record_is_damage(fields: tuple[int, str], value: int) -> None:
    data = bytearray(zipped())
    at, form = fields
    struct.pack_into(
        form, data, data.rindex(b"PK\5\6") + at, value & (256 ** struct.calcsize(form) - 1)
    )
    found = content(opened(bytes(data), ContainerKind.ZIP))
    assert {name: value for name, value in found.items() if name} in (PICTURES, {})


def test_a_misplaced_index_is_not_called_a_bomb() -> None:
    data = bytearray(zipped())
    at = data.rindex(b"PK\5\6") + 16
    (start,) = struct.unpack_from("<I", data, at)
    struct.pack_into("<I", data, at, start + 1_000_000)
    assert content(opened(bytes(data), ContainerKind.ZIP)) == PICTURES


def test_data_before_a_zip_is_skipped() -> None:
    assert content(opened(b"#!/bin/sh\n" * 99 + zipped(), ContainerKind.ZIP)) == PICTURES


def test_an_entry_outside_the_file_affects_only_itself() -> None:
    data = bytearray(zipped({"a.jpg": b"a", "b.jpg": b"b"}))
    struct.pack_into("<I", data, data.rindex(b"PK\1\2") + 42, 0x7FFFFFFF)
    assert content(opened(bytes(data), ContainerKind.ZIP)) == {
        "a.jpg": b"a",
        "b.jpg": "bad_member",
    }


def test_members_before_the_end_of_a_truncated_index_are_kept() -> None:
    data = bytearray(zipped({"a.jpg": b"a", "b.jpg": b"b"}))
    data[data.rindex(b"PK\1\2")] = 0
    found = content(opened(bytes(data), ContainerKind.ZIP))
    assert found == {"a.jpg": b"a", "": "archive_damaged"}


def _zip_entry(name: bytes, flags: int = 0, extra: bytes = b"") -> bytes:
    return raw_zip(RawEntry(name, b"x", flags, extra), RawEntry(b"z.jpg", b"z"))


def test_a_member_without_a_name_affects_no_other() -> None:
    found = content(opened(_zip_entry(b""), ContainerKind.ZIP))
    assert found == {"z.jpg": b"z", "": "archive_damaged"}
    nameless = tar({"": b"x", "z.jpg": b"z"})
    assert content(opened(nameless, ContainerKind.TAR)) == {
        "z.jpg": b"z",
        "": "archive_damaged",
    }


@pytest.mark.parametrize(
    ("raw", "flags", "name"),
    [
        ("ü.jpg".encode(), 0x800, "ü.jpg"),
        ("ü.jpg".encode(), 0, "ü.jpg"),
        (b"\x81.jpg", 0, "ü.jpg"),
        (b"\xff\xfe.jpg", 0x800, b"\xff\xfe.jpg".decode("utf-8", "surrogateescape")),
        (b"folder\\a.jpg", 0, "folder/a.jpg"),
        (b"folder/a\\b.jpg", 0, "folder/a\\b.jpg"),
        (b"a.jpg\0.exe", 0, "a.jpg"),
    ],
)
def test_names_are_read_in_every_encoding(raw: bytes, flags: int, name: str) -> None:
    assert content(opened(_zip_entry(raw, flags), ContainerKind.ZIP)) == {
        name: b"x",
        "z.jpg": b"z",
    }


def test_backslashes_do_not_hide_members() -> None:
    for hidden in (b"__MACOSX\\a.jpg", b".thumbnails\\a.jpg", b"folder\\"):
        assert content(opened(_zip_entry(hidden), ContainerKind.ZIP)) == {"z.jpg": b"z"}


def test_the_unicode_name_is_used_if_its_checksum_matches() -> None:
    def field(of: bytes) -> bytes:
        body = struct.pack("<BI", 1, zlib.crc32(of)) + "日本.jpg".encode()
        return struct.pack("<HH", 0x7075, len(body)) + body

    found = content(opened(_zip_entry(b"x.jpg", 0, field(b"x.jpg")), ContainerKind.ZIP))
    assert found == {"日本.jpg": b"x", "z.jpg": b"z"}
    found = content(opened(_zip_entry(b"x.jpg", 0, field(b"y.jpg")), ContainerKind.ZIP))
    assert found == {"x.jpg": b"x", "z.jpg": b"z"}


@pytest.mark.parametrize("data", [b"Rar!\x1a\x07\x01\0" + bytes(600), bytes(600)])
def test_a_refused_file_is_released_at_once(data: bytes) -> None:
    file = io.BytesIO(data)
    released = weakref.ref(file)
    gc.disable()
    try:
        problems = list(open_container(file, ContainerKind.ZIP))
        del file
        assert (len(problems), released()) == (1, None)
    finally:
        gc.enable()


class _Unforeseen(io.BytesIO):
    def read(self, *_: Any) -> bytes:
        raise LookupError("\x1b[31munexpected text")


@pytest.mark.parametrize("kind", [kind for kind in ContainerKind if kind.format != "nested"])
def test_an_unexpected_exception_is_an_error_row(
    kind: ContainerKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(RAISE_UNEXPECTED)
    [problem] = open_container(_Unforeseen(), kind)
    assert isinstance(problem, MemberProblem)
    assert problem.error.code == "listing_defect"
    text = str(problem.error)
    assert "a defect of imagebeam, not of the input: LookupError: " in text
    assert "unexpected text, at test_hostile.py:" in text
    assert "\x1b" not in text
    monkeypatch.setenv(RAISE_UNEXPECTED, "1")
    with pytest.raises(LookupError):
        list(open_container(_Unforeseen(), kind))


def test_endless_zeros_are_given_up() -> None:
    packed = tar({"a.jpg": b"a"}) + b"\0" * 5_000_000
    limits = ContainerLimits(padding_bytes=3_000_000)
    found = content(opened(packed, ContainerKind.TAR, limits=limits))
    assert found == {"a.jpg": b"a", "": "archive_limit"}
