import base64
import gzip
import hashlib
import itertools
import random
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import pytest
from urllib3.response import BaseHTTPResponse

from imagebeam.storage import store_for
from imagebeam.storage.errors import (
    Changed,
    ConnectionFailed,
    Denied,
    Missing,
    OptedOut,
    ServerFailed,
    StoreError,
    Throttled,
    TimedOut,
    TooLarge,
    UnexpectedError,
    Unsupported,
    WrongChecksum,
    WrongLength,
)
from imagebeam.storage.http.pools import WebHosts
from imagebeam.storage.http.store import HttpStore
from imagebeam.storage.types import ObjectInfo, RequestHeader, Settings
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
    trickle,
    whole,
)

_DATA = bytes(range(256))
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


def _arrow(codec: str, data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def _bare_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def store(seconds: float = 5, attempts: int = 1, **settings: Any) -> HttpStore:
    """Return a store that may reach the server on this machine."""
    return HttpStore(
        Settings(
            seconds=seconds,
            attempts=attempts,
            allow_private_hosts=True,
            first_pause=0.01,
            **settings,
        )
    )


def failure(url: str, store: HttpStore, max_bytes: int = 1000) -> tuple[type[StoreError], str]:
    """Return the error of reading."""
    with pytest.raises(StoreError) as caught:
        store.read(url, max_bytes)
    return type(caught.value), str(caught.value)


def test_the_name_chooses_the_store() -> None:
    assert type(store_for("HTTP://example.com/a.jpg")) is HttpStore
    assert store_for("https://example.com/a.jpg") is store_for("http://example.com/b.jpg")


@pytest.mark.parametrize("answer", [stored(_DATA), whole(_DATA), chunked(_DATA[:99], _DATA[99:])])
def test_a_whole_object_is_read(site: Site, answer: Answer) -> None:
    assert store().read(site.add("/a", answer), 256) == _DATA


@pytest.mark.parametrize("answer", [stored(b""), whole(b""), chunked()])
def test_an_empty_object_is_read(site: Site, answer: Answer) -> None:
    assert store().read(site.add("/a", answer), 256) == b""


def test_a_body_can_end_with_its_connection(site: Site) -> None:
    assert store().read(site.add("/a", raw(b"HTTP/1.0 200 OK\r\n\r\n123")), 256) == b"123"


def test_requests_name_the_user_agent(site: Site) -> None:
    site.add("/a%20b?c=d", whole(b"1"))
    assert store().read(site.url("/a b?c=d#e"), 1) == b"1"
    ((method, path, headers),) = site.requests
    assert (method, path) == ("GET", "/a%20b?c=d")
    assert headers == {
        "Host": f"127.0.0.1:{site.port}",
        "User-Agent": f"imagebeam/{version('imagebeam')} (+https://pypi.org/project/imagebeam/)",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
    }


_PARTS = [
    (0, 10, _DATA[:10]),
    (10, 20, _DATA[10:30]),
    (200, None, _DATA[200:]),
    (256, None, b""),
    (300, None, b""),
    (7, 0, b""),
    (0, 256, _DATA),
]


@pytest.mark.parametrize("answer", [stored(_DATA), whole(_DATA), chunked(_DATA)])
@pytest.mark.parametrize(("start", "size", "expected"), _PARTS)
def test_a_part_is_read_with_and_without_range_support(
    site: Site, answer: Answer, start: int, size: int | None, expected: bytes
) -> None:
    assert store().read(site.add("/a", answer), 256, start, size) == expected


@pytest.mark.parametrize("answer", [stored(_DATA), whole(_DATA)])
@pytest.mark.parametrize(("start", "there"), [(250, 6), (256, 0), (300, 0)])
def test_a_part_beyond_the_end_is_an_error_without_retry(
    site: Site, answer: Answer, start: int, there: int
) -> None:
    with pytest.raises(WrongLength, match=f"^{there} of 10 bytes are there$"):
        store(attempts=5).read(site.add("/a", answer), 999, start, 10)
    assert len(site.requests) == 1


@pytest.mark.parametrize("answer", [stored(_DATA), whole(_DATA), chunked(_DATA)])
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
    url = site.add("/a", lambda request: send(request, 206, headers, _DATA[:5]))
    with pytest.raises(ServerFailed, match=reason):
        store().read(url, 999, 5, 5)


_STATUSES = [
    (204, ServerFailed),
    (304, ServerFailed),
    (400, Denied),
    (401, Denied),
    (403, Denied),
    (404, Missing),
    (410, Missing),
    (412, Changed),
    (429, Throttled),
    (451, Denied),
    (500, ServerFailed),
    (502, ServerFailed),
    (503, Throttled),
    (504, ServerFailed),
]


@pytest.mark.parametrize(("code", "kind"), _STATUSES)
def test_each_status_has_its_error(site: Site, code: int, kind: type[StoreError]) -> None:
    found, text = failure(site.add("/a?secret", status(code)), store())
    assert found is kind
    assert "secret" not in text
    with pytest.raises(kind):
        store().open(site.url("/a?secret"))


@pytest.mark.parametrize("code", [204, 302, 304, 400, 401, 403, 404, 410])
def test_permanent_errors_are_not_retried(site: Site, code: int) -> None:
    failure(site.add("/a", status(code)), store(attempts=5))
    assert len(site.requests) == 1


_PASSING = [
    status(429),
    status(500),
    status(502),
    status(503),
    status(503, Retry_After="0"),
    status(503, Retry_After="soon"),
    raw(b""),
    raw(b"", reset=True),
    raw(_HEAD + b"123"),
    raw(_HEAD + b"123", reset=True),
    raw(_HEAD + b"12345678901"),
    raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    chunked(b"123", end=False),
    whole(b"1234567890", Content_MD5=base64.b64encode(bytes(16)).decode()),
]


@pytest.mark.parametrize("answer", _PASSING)
def test_transient_errors_are_retried(site: Site, answer: Answer) -> None:
    url = site.add("/a", answer, answer, whole(b"1234567890"))
    assert store(attempts=3).read(url, 99) == b"1234567890"
    assert len(site.requests) == 3


_STUBBORN = [
    (raw(b""), ConnectionFailed, "the server hung up"),
    (raw(b"", reset=True), ConnectionFailed, "Connection reset by peer"),
    (raw(_HEAD + b"1", reset=True), ConnectionFailed, "Connection reset by peer"),
    (raw(_HEAD + b"123"), WrongLength, "fewer bytes arrived than were announced"),
    (raw(_HEAD + b"12345678901"), WrongLength, "more bytes arrive than were announced"),
    (whole(b"123", Content_Length="2"), WrongLength, "more bytes arrive than were announced"),
    (chunked(b"123", end=False), WrongLength, "fewer bytes arrived than were announced"),
    (
        raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        ConnectionFailed,
        "the server does not speak HTTP (BadStatusLine)",
    ),
    (
        whole(b"1", Content_MD5=base64.b64encode(bytes(16)).decode()),
        WrongChecksum,
        "its md5 is not the one that the server announced",
    ),
]


@pytest.mark.parametrize(("answer", "kind", "text"), _STUBBORN)
def test_lasting_errors_are_given_up(
    site: Site, answer: Answer, kind: type[StoreError], text: str
) -> None:
    assert failure(site.add("/a", answer), store(attempts=3)) == (kind, text)
    assert len(site.requests) == 3


def test_a_refused_connection_is_an_error(site: Site) -> None:
    with Site().running() as gone:
        pass
    found = failure(gone.url("/a"), store(attempts=2))
    assert found == (ConnectionFailed, "Connection refused")


@pytest.mark.parametrize(
    "answer",
    [
        stall(),
        stall(b"HTTP/1.1 200"),
        stall(_HEAD + b"123"),
        trickle(b""),
        trickle(b"HTTP/1.1 200 OK\r\nX-Long: "),
        trickle(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", pause=0.2),
        trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
        trickle(b"HTTP/1.1 200 OK\r\n\r\n"),
        trickle(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
)
def test_a_server_that_stalls_or_trickles_times_out(site: Site, answer: Answer) -> None:
    kind, _ = failure(site.add("/a", answer), store(seconds=0.4))
    assert kind is TimedOut


def test_a_server_that_stalls_once_leaves_time_for_another_try(site: Site) -> None:
    url = site.add("/a", stall(), stall(_HEAD + b"1"), whole(b"1"))
    assert store(seconds=3, attempts=6).read(url, 99) == b"1"


def test_retry_after_is_respected(site: Site) -> None:
    times: list[float] = []

    def noting(answer: Answer) -> Answer:
        def note(request: Request) -> None:
            times.append(time.monotonic())
            answer(request)

        return note

    url = site.add("/a", noting(status(429, Retry_After="1")), noting(whole(b"1")))
    assert store(seconds=20, attempts=2).read(url, 9) == b"1"
    assert times[1] - times[0] >= 1


@pytest.mark.parametrize("after", ["3600", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_long_retry_after_is_an_error(site: Site, after: str) -> None:
    url = site.add("/a", status(503, Retry_After=after))
    reader = store(attempts=5)
    expected = (
        Throttled,
        "the server asks for a pause that is longer than the time left",
    )
    assert failure(url, reader) == expected
    # A request for another object is not sent either.
    assert failure(site.add("/b", whole(b"1")), reader) == expected
    assert len(site.requests) == 1


def test_one_object_does_not_stop_the_others_of_its_host_for_long(site: Site) -> None:
    settings = Settings(seconds=60, attempts=1, allow_private_hosts=True)
    reader = HttpStore(settings, WebHosts(settings, longest_back_off=0.05))
    with pytest.raises(Throttled, match="longer than the time left"):
        reader.read(site.add("/a", status(429, Retry_After="86400")), 9)
    assert reader.read(site.add("/b", whole(b"1")), 9) == b"1"


def test_an_object_whose_server_asks_for_a_pause_is_not_asked_for_before(site: Site) -> None:
    settings = Settings(seconds=60, attempts=2, allow_private_hosts=True, first_pause=0.01)
    reader = HttpStore(settings, WebHosts(settings, longest_back_off=0.05))
    times: list[float] = []

    def busy(request: Request) -> None:
        times.append(time.monotonic())
        status(429, Retry_After="1")(request)

    def free(request: Request) -> None:
        times.append(time.monotonic())
        whole(b"1")(request)

    assert reader.read(site.add("/a", busy, free), 9) == b"1"
    assert times[1] - times[0] >= 1


@pytest.mark.parametrize("after", ["0", "-1", "", "Thu, 01 Jan 2026 00:00:00 GMT"])
def test_a_retry_after_in_the_past_needs_no_wait(site: Site, after: str) -> None:
    url = site.add("/a", status(503, Retry_After=after), whole(b"1"))
    assert store(attempts=2).read(url, 9) == b"1"


def test_info_returns_size_and_version(site: Site) -> None:
    url = site.add("/a", stored(_DATA, '"one"', Last_Modified="Sun"))
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
    url = site.add("/a", lambda request: send(request, 200, headers, _DATA))
    assert store().info(url) == ObjectInfo(url, size, version)


@pytest.mark.parametrize("code", [403, 405, 501])
@pytest.mark.parametrize(
    ("object_", "size"), [(stored(_DATA, '"one"'), 256), (stored(b"", '"one"'), 0)]
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
    url = site.add("/a", stored(_DATA, '"one"'))
    assert store().read(url, 256, version='"one"') == _DATA
    assert store().read(url, 256, 1, 2, '"one"') == _DATA[1:3]
    site.add("/a", stored(_DATA, '"two"'))
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
    url = site.add("/a", lambda request: send(request, 200, headers, _DATA))
    with pytest.raises(Changed):
        store().read(url, 256, version=version)


def test_a_modification_time_is_a_version(site: Site) -> None:
    date = "Sun, 01 Nov 2026 10:00:00 GMT"
    url = site.add("/a", whole(_DATA, Last_Modified=date))
    assert store().read(url, 256, version=store().info(url).version) == _DATA
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


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
def test_unrequested_compression_is_undone(site: Site, coding: str) -> None:
    packed = gzip.compress(_DATA)
    digest = base64.b64encode(hashlib.sha256(packed).digest()).decode()
    url = site.add("/a", whole(packed, Content_Encoding=coding, Digest=f"sha-256={digest}"))
    assert store().read(url, 300) == _DATA


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("deflate", zlib.compress(_DATA)),
        ("deflate", _bare_deflate(_DATA)),
        ("br", _arrow("brotli", _DATA)),
        ("zstd", _arrow("zstd", _DATA)),
        ("gzip, br", _arrow("brotli", gzip.compress(_DATA))),
        ("utf-8, gzip", gzip.compress(_DATA)),
    ],
)
def test_every_http_compression_is_undone(site: Site, coding: str, packed: bytes) -> None:
    assert store().read(site.add("/a", whole(packed, Content_Encoding=coding)), 300) == _DATA


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [
        ("gzip", gzip.compress(bytes(50_000_000))),
        ("deflate", zlib.compress(bytes(50_000_000))),
        ("br", _arrow("brotli", bytes(5_000_000))),
        ("zstd", _arrow("zstd", bytes(5_000_000))),
    ],
    ids=["gzip", "deflate", "br", "zstd"],
)
def test_a_compression_bomb_is_refused(site: Site, coding: str, bomb: bytes) -> None:
    url = site.add("/a", whole(bomb, Content_Encoding=coding))
    text = "unpacks to more than 100,000 bytes, the limit"
    assert failure(url, store(), 100_000) == (TooLarge, text)


@pytest.mark.parametrize(
    ("coding", "data", "kind"),
    [
        ("gzip", gzip.compress(_DATA)[:-20], WrongLength),
        ("gzip", _DATA, WrongChecksum),
        ("br", _DATA, WrongChecksum),
        ("br", _arrow("brotli", _DATA)[:-3], WrongLength),
        ("zstd", _arrow("zstd", _DATA)[:-3], WrongLength),
        ("deflate", _DATA, WrongChecksum),
        ("deflate", zlib.compress(_DATA)[:-6], WrongLength),
        ("compress", _DATA, Unsupported),
        ("gzip, gzip, gzip, gzip", _DATA, Unsupported),
    ],
)
def test_damaged_compression_is_an_error(
    site: Site, coding: str, data: bytes, kind: type[StoreError]
) -> None:
    assert failure(site.add("/a", whole(data, Content_Encoding=coding)), store())[0] is kind


@pytest.mark.parametrize("coding", ["identity", "utf-8", "none", ""])
def test_unknown_content_encodings_are_ignored(site: Site, coding: str) -> None:
    assert store().read(site.add("/a", whole(_DATA, Content_Encoding=coding)), 256) == _DATA


def test_a_part_of_a_compressed_body_is_refused(site: Site) -> None:
    url = site.add("/a", whole(gzip.compress(_DATA), Content_Encoding="gzip"))
    with pytest.raises(Unsupported, match="compresses it as gzip"):
        store().read(url, 256, 1, 2)
    with store().open(url) as file, pytest.raises(Unsupported, match="compresses it as gzip"):
        file.read(1)


def test_a_page_in_place_of_a_picture_is_returned(site: Site) -> None:
    page = b"<!doctype html><title>Sorry</title>"
    assert store().read(site.add("/a.jpg", whole(page, Content_Type="text/html")), 99) == page


def test_opt_out_headers_are_respected(site: Site) -> None:
    url = site.add("/a", stored(_DATA, X_Robots_Tag="noai"))
    assert failure(url, store(attempts=5)) == (OptedOut, "its header X-Robots-Tag says noai")
    with pytest.raises(OptedOut):
        store().info(url)
    with pytest.raises(OptedOut):
        store().open(url)
    with pytest.raises(OptedOut):
        store().read(url, 99, 1, 2)
    assert store(honour_opt_outs=False).read(url, 256) == _DATA


def test_redirects_are_followed_up_to_five(site: Site) -> None:
    codes = [301, 302, 303, 307, 308]
    for number, code in enumerate(codes):
        site.add(f"/{number}", redirect(f"/{number + 1}", code))
    site.add("/5", stored(_DATA))
    assert store().read(site.url("/0"), 256) == _DATA
    assert store().read(site.url("/0"), 256, 3, 4) == _DATA[3:7]
    assert store().info(site.url("/0")) == ObjectInfo(site.url("/0"), 256, "")


def test_a_redirect_without_a_target_is_an_error(site: Site) -> None:
    assert failure(site.add("/a", status(302)), store())[0] is ServerFailed


def test_listing_and_writing_are_refused() -> None:
    with pytest.raises(Unsupported, match=r"^http\(s\):// cannot be listed"):
        store().list("http://example.com/")
    with pytest.raises(Unsupported, match=r"^http\(s\):// cannot be written"):
        store().write("http://example.com/", b"")
    with pytest.raises(Unsupported, match=r"^http\(s\):// cannot be written"):
        store().remove("http://example.com/")


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///a",
        "http://host:99999/",
        "http://ho st/",
        "http://ho\nst/",
        "http://[::1/",
        "http://ü\ud800/",
        "ftp://host/",
        "file:///etc/passwd",
        "/etc/passwd",
        "",
        "javascript:alert(1)",
    ],
)
def test_invalid_urls_are_errors(url: str) -> None:
    with pytest.raises(Unsupported, match=r"^it is "):
        store().read(url, 9)


def test_connections_are_reused(site: Site) -> None:
    reader = store()
    url = site.add("/a", stored(_DATA, '"one"'))
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


def test_a_url_can_contain_a_password(site: Site) -> None:
    site.add("/a", whole(b"1"))
    url = f"http://us%40er:pa%3Ass@127.0.0.1:{site.port}/a"
    assert store().read(url, 9) == b"1"
    expected = base64.b64encode(b"us@er:pa:ss").decode()
    assert site.requests[0][2]["Authorization"] == f"Basic {expected}"


def test_many_small_parts_of_a_large_object_are_read_correctly(site: Site) -> None:
    data = random.Random(2).randbytes(100_000)
    by_range, from_start = site.add("/a", stored(data)), site.add("/b", whole(data))
    reader, choose = store(), random.Random(3)
    for url in itertools.islice(itertools.cycle([by_range, from_start]), 40):
        start = choose.randrange(len(data))
        size = choose.randrange(1, len(data) - start + 1)
        assert reader.read(url, len(data), start, size) == data[start : start + size]


_HOSTILE = [
    (b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", ConnectionFailed),
    (b"Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n", WrongLength),
    (b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + b"x" * (1 << 21), ConnectionFailed),
    (b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 16 + b"\r\nhello", WrongLength),
    (b"Transfer-Encoding: chunked\r\n\r\n5;" + b"x" * 70_000 + b"\r\nhello", ConnectionFailed),
    (b"Content-Length: 5, 6\r\n\r\nhello", ConnectionFailed),
    (b"Content-Length: " + b"9" * 30 + b"\r\n\r\nhello", TooLarge),
    (b"a: b\r\n" * 200 + b"\r\n", ConnectionFailed),
]


@pytest.mark.parametrize(("response", "kind"), _HOSTILE)
def test_a_malformed_response_is_a_store_error(
    site: Site, response: bytes, kind: type[StoreError]
) -> None:
    url = site.add("/a", raw(b"HTTP/1.1 200 OK\r\n" + response))
    with pytest.raises(kind):
        store(attempts=1).read(url, 99)


def test_an_unexpected_exception_is_a_store_error() -> None:
    class UnheardOfError(Exception):
        pass

    class Broken(WebHosts):
        @contextmanager
        def request(self, *_: object) -> Iterator[BaseHTTPResponse]:
            raise UnheardOfError("https://user:word@a.org/?key=1")
            yield

    settings = Settings(attempts=1)
    expected = r"a defect of imagebeam, .*UnheardOfError: https://a\.org/\?…, at test_store\.py:"
    with pytest.raises(UnexpectedError, match=expected):
        HttpStore(settings, Broken(settings)).read("http://a.example/a", 99)


def test_a_cookie_of_a_redirect_is_sent_to_its_host(site: Site) -> None:
    def with_cookie(request: Request) -> None:
        cookies = request.headers.get("Cookie", "")
        if "seen=1" in cookies:
            whole(_DATA)(request)
        else:
            redirect("/a", Set_Cookie="seen=1; Path=/; HttpOnly")(request)

    url = site.add("/a", with_cookie)
    assert store().read(url, 999) == _DATA
    # The next read starts without the cookie.
    assert store().read(url, 999) == _DATA
    assert ["Cookie" in headers for _, _, headers in site.requests] == [False, True, False, True]


def test_a_cookie_of_a_redirect_is_sent_to_no_other_host(site: Site) -> None:
    elsewhere = site.url("/b", "localhost")
    url = site.add("/a", redirect(elsewhere, Set_Cookie="seen=1; Path=/"))
    site.add("/b", whole(_DATA))
    assert store().read(url, 999) == _DATA
    assert not any("Cookie" in headers for _, _, headers in site.requests)


def test_the_user_agent_can_be_chosen(site: Site) -> None:
    store(user_agent="me (a@example.com)").read(site.add("/a", whole(_DATA)), 999)
    assert site.requests[0][2]["User-Agent"] == "me (a@example.com)"


def test_headers_are_sent_only_to_their_host_after_a_redirect(site: Site) -> None:
    headers = (
        RequestHeader("X-Here", "1", "127.0.0.1"),
        RequestHeader("X-There", "2", f"localhost:{site.port}"),
        RequestHeader("X-All", "3"),
    )
    url = site.add("/a", redirect(site.url("/b", "localhost")))
    site.add("/b", whole(_DATA))
    store(headers=headers).read(url, 999)
    sent = [{n: h.get(n) for n in ("X-Here", "X-There", "X-All")} for _, _, h in site.requests]
    assert sent == [
        {"X-Here": "1", "X-There": None, "X-All": "3"},
        {"X-Here": None, "X-There": "2", "X-All": "3"},
    ]
