"""Test the common behaviour of all stores, on the disk and on real servers."""

import functools
import os
import uuid
from importlib import import_module

import pytest

from imagebeam.storage.errors import Changed, Missing, NotAnObject, TooLarge, WrongLength
from imagebeam.storage.types import Settings, Store

_DATA = bytes(range(256))


class Place:
    """A store and an unused place in it."""

    def __init__(self, store: Store, base: str) -> None:
        self.store = store
        self.base = base

    def __truediv__(self, name: str) -> str:
        return f"{self.base}/{name}"


@pytest.fixture(params=["tmp_path", "gcs_bucket", "s3_bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    where = str(request.getfixturevalue(request.param))
    return Place(_store(request.param), f"{where}/{uuid.uuid4()}")


@functools.cache
def _store(where: str) -> Store:
    module, kind = {
        "tmp_path": ("imagebeam.storage.local", "LocalStore"),
        "gcs_bucket": ("imagebeam.storage.gcs", "GcsStore"),
        "s3_bucket": ("imagebeam.storage.s3", "S3Store"),
    }[where]
    store: Store = getattr(import_module(module), kind)(Settings(seconds=20))
    return store


@pytest.mark.parametrize("data", [_DATA, b""], ids=["some", "empty"])
def test_a_written_object_is_read(place: Place, data: bytes) -> None:
    place.store.write(place / "a", data)
    assert place.store.read(place / "a", len(data)) == data


@pytest.mark.parametrize("data", [_DATA, b""], ids=["some", "empty"])
def test_info_returns_name_size_and_version(place: Place, data: bytes) -> None:
    place.store.write(place / "a", data)
    info = place.store.info(place / "a")
    assert (info.uri, info.size) == (place / "a", len(data))
    assert place.store.read(place / "a", 999, version=info.version) == data


@pytest.mark.parametrize(
    "name",
    ["a#b", "a?b", "a%20b", "a b", "[1]", "*", "a+b", "a&b=c", "ü/日本", "<img>", "a\\b"],
)
def test_a_name_can_be_any_text(place: Place, name: str) -> None:
    place.store.write(place / name, _DATA)
    assert place.store.read(place / name, 999) == _DATA
    assert place.store.info(place / name).size == 256
    assert [info.uri for info in place.store.list(f"{place.base}/")] == [place / name]
    place.store.remove(place / name)
    assert list(place.store.list(f"{place.base}/")) == []


@pytest.mark.parametrize(
    ("start", "size", "expected"),
    [
        (0, 10, _DATA[:10]),
        (10, 20, _DATA[10:30]),
        (200, None, _DATA[200:]),
        (256, None, b""),
        (300, None, b""),
        (7, 0, b""),
        (0, 256, _DATA),
    ],
)
def test_a_part_is_read(place: Place, start: int, size: int | None, expected: bytes) -> None:
    place.store.write(place / "a", _DATA)
    assert place.store.read(place / "a", 256, start, size) == expected


@pytest.mark.parametrize(("start", "there"), [(250, 6), (256, 0), (300, 0)])
def test_a_part_beyond_the_end_is_an_error(place: Place, start: int, there: int) -> None:
    place.store.write(place / "a", _DATA)
    with pytest.raises(WrongLength, match=f"^{there} of 10 bytes are there$"):
        place.store.read(place / "a", 999, start, 10)


@pytest.mark.parametrize(("start", "size"), [(0, None), (0, 256), (10, 246), (10, None)])
def test_too_many_bytes_are_refused(place: Place, start: int, size: int | None) -> None:
    place.store.write(place / "a", _DATA)
    with pytest.raises(TooLarge, match=f"^{256 - start} bytes, over the limit of 245$"):
        place.store.read(place / "a", 245, start, size)


def test_a_file_reads_and_seeks(place: Place) -> None:
    place.store.write(place / "a", _DATA * 9)
    with place.store.open(place / "a") as file:
        assert file.read() == _DATA * 9
        file.seek(-6, 2)
        assert file.read(3) == b"\xfa\xfb\xfc"


def test_an_old_version_of_an_overwritten_object_is_not_read(place: Place) -> None:
    place.store.write(place / "a", b"first")
    version = place.store.info(place / "a").version
    place.store.write(place / "a", b"later")
    if "://" not in place.base:
        # The resolution of a file system's clock can be coarser than two writes.
        os.utime(place / "a", ns=(0, os.stat(place / "a").st_mtime_ns + 1))
    with pytest.raises(Changed):
        place.store.read(place / "a", 999, version=version)
    with pytest.raises(Changed):
        place.store.read(place / "a", 999, 1, 2, version)
    with pytest.raises(Changed):
        place.store.open(place / "a", version)


def test_a_missing_object_is_an_error(place: Place) -> None:
    with pytest.raises(Missing):
        place.store.read(place / "a", 999)
    with pytest.raises(Missing):
        place.store.info(place / "a")
    with pytest.raises(Missing):
        place.store.open(place / "a")
    with pytest.raises(Missing):
        place.store.read(place / "a", 999, 0, 0)


def test_a_listing_is_sorted_and_complete(place: Place) -> None:
    for name in ["b", "a/2", "a/1", "c/d/e"]:
        place.store.write(place / name, name.encode())
    found = list(place.store.list(f"{place.base}/"))
    assert sorted(info.uri for info in found) == [
        place / name for name in ["a/1", "a/2", "b", "c/d/e"]
    ]
    assert found == [place.store.info(info.uri) for info in found]
    assert [info.uri for info in place.store.list(place / "a/")] == [place / "a/1", place / "a/2"]


def test_a_write_that_requires_absence_succeeds_once(place: Place) -> None:
    place.store.write(place / "a", b"first", "")
    with pytest.raises(Changed):
        place.store.write(place / "a", b"later", "")
    assert place.store.read(place / "a", 999) == b"first"


def test_a_write_that_requires_a_version_succeeds_once(place: Place) -> None:
    place.store.write(place / "a", b"1")
    version = place.store.info(place / "a").version
    place.store.write(place / "a", b"22", version)
    with pytest.raises(Changed):
        place.store.write(place / "a", b"333", version)
    assert place.store.read(place / "a", 999) == b"22"


def test_a_removed_object_is_missing(place: Place) -> None:
    place.store.write(place / "a", b"1")
    place.store.remove(place / "a")
    with pytest.raises(Missing):
        place.store.read(place / "a", 999)
    place.store.remove(place / "a")


def test_a_bucket_or_folder_is_not_an_object(place: Place) -> None:
    place.store.write(place / "a", b"1")
    with pytest.raises((NotAnObject, Missing)):
        place.store.read(place.base, 999)
