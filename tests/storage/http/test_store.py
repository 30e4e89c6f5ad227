import itertools
import random
import time

import pytest

from imagebeam.storage import store_for
from imagebeam.storage.errors import (
    Changed,
    Missing,
    OptedOut,
    ServerFailed,
    TooLarge,
    Unsupported,
    WrongLength,
)
from imagebeam.storage.http.store import HttpStore
from imagebeam.storage.types import ObjectInfo
from tests.storage.http.stores import DATA, failure, store
from tests.storage.web import (
    Answer,
    Request,
    Site,
    chunked,
    raw,
    redirect,
    send,
    stall,
    status,
    stored,
    whole,
)


def test_the_name_chooses_the_store() -> None:
    assert type(store_for("HTTP://example.com/a.jpg")) is HttpStore
    assert store_for("https://example.com/a.jpg") is store_for("http://example.com/b.jpg")


@pytest.mark.parametrize("answer", [stored(DATA), whole(DATA), chunked(DATA[:99], DATA[99:])])
def test_a_whole_object_is_read(site: Site, answer: Answer) -> None:
    assert store().read(site.add("/a", answer), 256) == DATA


@pytest.mark.parametrize("answer", [stored(b""), whole(b""), chunked()])
def test_an_empty_object_is_read(site: Site, answer: Answer) -> None:
    assert store().read(site.add("/a", answer), 256) == b""


def test_a_body_can_end_with_its_connection(site: Site) -> None:
    assert store().read(site.add("/a", raw(b"HTTP/1.0 200 OK\r\n\r\n123")), 256) == b"123"


_PARTS = [
    (0, 10, DATA[:10]),
    (10, 20, DATA[10:30]),
    (200, None, DATA[200:]),
    (256, None, b""),
    (300, None, b""),
    (7, 0, b""),
    (0, 256, DATA),
]


@pytest.mark.parametrize("answer", [stored(DATA), whole(DATA), chunked(DATA)])
@pytest.mark.parametrize(("start", "size", "expected"), _PARTS)
def test_a_part_is_read_with_and_without_range_support(
    site: Site, answer: Answer, start: int, size: int | None, expected: bytes
) -> None:
    assert store().read(site.add("/a", answer), 256, start, size) == expected


@pytest.mark.parametrize("answer", [stored(DATA), whole(DATA)])
@pytest.mark.parametrize(("start", "there"), [(250, 6), (256, 0), (300, 0)])
def test_a_part_beyond_the_end_is_an_error_without_retry(
    site: Site, answer: Answer, start: int, there: int
) -> None:
    with pytest.raises(WrongLength, match=f"^{there} of 10 bytes are there$"):
        store(attempts=5).read(site.add("/a", answer), 999, start, 10)
    assert len(site.requests) == 1


@pytest.mark.parametrize("answer", [stored(DATA), whole(DATA), chunked(DATA)])
@pytest.mark.parametrize(("start", "size"), [(0, None), (0, 256), (10, 246), (10, None)])
def test_too_many_bytes_are_refused(
    site: Site, answer: Answer, start: int, size: int | None
) -> None:
    with pytest.raises(TooLarge, match="245"):
        store().read(site.add("/a", answer), 245, start, size)


def test_too_many_announced_bytes_are_refused_before_reading(site: Site) -> None:
    announced = stall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    url = site.add("/a", announced)
    assert failure(url, store()) == (TooLarge, "99,999,999,999 bytes, over the limit of 1,000")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Content-Range": ""}, "does not state which"),
        ({"Content-Range": "bytes 4-8/256"}, "a part that was not requested"),
        ({"Content-Range": "bytes 5-15/256"}, "a part that was not requested"),
    ],
)
def test_a_wrong_part_is_an_error(site: Site, headers: dict[str, str], reason: str) -> None:
    url = site.add("/a", lambda request: send(request, 206, headers, DATA[:5]))
    with pytest.raises(ServerFailed, match=reason):
        store().read(url, 999, 5, 5)


def test_info_returns_size_and_version(site: Site) -> None:
    url = site.add("/a", stored(DATA, '"one"', Last_Modified="Sun"))
    assert store().info(url) == ObjectInfo(url, 256, '"one"')
    assert [method for method, _, _ in site.requests] == ["HEAD"]


@pytest.mark.parametrize(
    ("headers", "size", "version"),
    [
        ({"ETag": 'W/"weak"', "Last-Modified": "Sun"}, 256, "Sun"),
        ({"ETag": 'W/"weak"'}, 256, ""),
        ({}, 256, ""),
        ({"Content-Length": "", "Connection": "close"}, None, ""),
        ({"Content-Encoding": "gzip"}, None, ""),
    ],
)
def test_info_leaves_unknown_values_empty(
    site: Site, headers: dict[str, str], size: int | None, version: str
) -> None:
    url = site.add("/a", lambda request: send(request, 200, headers, DATA))
    assert store().info(url) == ObjectInfo(url, size, version)


@pytest.mark.parametrize("code", [400, 403, 405, 406, 501])
@pytest.mark.parametrize(
    ("object_", "size"), [(stored(DATA, '"one"'), 256), (stored(b"", '"one"'), 0)]
)
def test_info_reads_the_first_byte_if_head_is_refused(
    site: Site, code: int, object_: Answer, size: int
) -> None:
    url = site.add("/a", status(code), object_)
    assert store().info(url) == ObjectInfo(url, size, '"one"')


def test_info_of_a_missing_object_is_an_error(site: Site) -> None:
    with pytest.raises(Missing):
        store().info(site.url("/a"))


def test_a_version_is_read_while_it_exists(site: Site) -> None:
    url = site.add("/a", stored(DATA, '"one"'))
    assert store().read(url, 256, version='"one"') == DATA
    assert store().read(url, 256, 1, 2, '"one"') == DATA[1:3]
    site.add("/a", stored(DATA, '"two"'))
    with pytest.raises(Changed):
        store().read(url, 256, version='"one"')
    with pytest.raises(Changed):
        store().read(url, 256, 1, 2, '"one"')
    with pytest.raises(Changed):
        store().open(url, '"one"')
    assert {headers["If-Match"] for _, _, headers in site.requests} == {'"one"'}


@pytest.mark.parametrize("headers", [{"ETag": '"two"'}, {"Last-Modified": "Mon"}, {}])
@pytest.mark.parametrize("version", ['"one"', "Sun"])
def test_a_server_that_ignores_conditions_is_detected(
    site: Site, headers: dict[str, str], version: str
) -> None:
    url = site.add("/a", lambda request: send(request, 200, headers, DATA))
    with pytest.raises(Changed):
        store().read(url, 256, version=version)


def test_a_modification_time_is_a_version(site: Site) -> None:
    date = "Sun, 01 Nov 2026 10:00:00 GMT"
    url = site.add("/a", whole(DATA, Last_Modified=date))
    assert store().read(url, 256, version=store().info(url).version) == DATA
    assert site.requests[1][2]["If-Unmodified-Since"] == date


def test_a_file_is_read_in_ranges_of_one_version(site: Site) -> None:
    data = random.Random(1).randbytes(3_000_000)
    url = site.add("/a", stored(data, '"one"'))
    with store().open(url) as file:
        assert file.read() == data
        file.seek(-10, 2)
        assert file.read() == data[-10:]
    with store().open(url) as file:
        assert file.read(1) == data[:1]
        site.add("/a", stored(data, '"two"'))
        file.seek(2_000_000)
        with pytest.raises(Changed):
            file.read(1)
    assert {headers.get("If-Match") for _, _, headers in site.requests} == {None, '"one"'}


@pytest.mark.parametrize("answer", [stored(b""), whole(b"")])
def test_an_empty_file_can_be_opened(site: Site, answer: Answer) -> None:
    with store().open(site.add("/a", answer)) as file:
        assert file.read() == b""


def test_a_page_in_place_of_a_picture_is_returned(site: Site) -> None:
    page = b"<!doctype html><title>Sorry</title>"
    assert store().read(site.add("/a.jpg", whole(page, Content_Type="text/html")), 99) == page


def test_opt_out_headers_are_respected(site: Site) -> None:
    url = site.add("/a", stored(DATA, X_Robots_Tag="noai"))
    assert failure(url, store(attempts=5)) == (OptedOut, "its header X-Robots-Tag says noai")
    with pytest.raises(OptedOut):
        store().info(url)
    with pytest.raises(OptedOut):
        store().open(url)
    with pytest.raises(OptedOut):
        store().read(url, 99, 1, 2)
    assert store(honour_opt_outs=False).read(url, 256) == DATA


def test_listing_and_writing_are_refused() -> None:
    with pytest.raises(Unsupported, match=r"^http\(s\):// cannot be listed"):
        store().list("http://example.com/")
    with pytest.raises(Unsupported, match=r"^http\(s\):// cannot be written"):
        store().write("http://example.com/", b"")
    with pytest.raises(Unsupported, match=r"^http\(s\):// cannot be written"):
        store().remove("http://example.com/")


def test_connections_are_reused(site: Site) -> None:
    reader = store()
    url = site.add("/a", stored(DATA, '"one"'))
    moved = site.add("/moved", redirect("/a"))
    for _ in range(3):
        reader.read(url, 256)
        reader.read(url, 256, 3, 4)
        reader.info(url)
        reader.read(moved, 256)
        failure(site.url("/missing"), reader)
    assert site.connections == 1


def test_reused_connections_have_the_same_time_limit(site: Site) -> None:
    def late(request: Request) -> None:
        time.sleep(0.2)
        send(request, 200, {}, b"late")

    reader = store()
    url = site.add("/a", late)
    for _ in range(3):
        assert reader.read(url, 256) == b"late"
    assert site.connections == 1


def test_many_small_parts_of_a_large_object_are_read_correctly(site: Site) -> None:
    data = random.Random(2).randbytes(100_000)
    by_range, from_start = site.add("/a", stored(data)), site.add("/b", whole(data))
    reader, choose = store(), random.Random(3)
    for url in itertools.islice(itertools.cycle([by_range, from_start]), 40):
        start = choose.randrange(len(data))
        size = choose.randrange(1, len(data) - start + 1)
        assert reader.read(url, len(data), start, size) == data[start : start + size]
