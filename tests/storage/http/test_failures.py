import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from urllib3.response import BaseHTTPResponse

from imagebeam.storage.errors import (
    Changed,
    ConnectionFailed,
    Denied,
    Missing,
    ServerFailed,
    StoreError,
    Throttled,
    TimedOut,
    TooLarge,
    UnexpectedError,
    WrongChecksum,
    WrongLength,
)
from imagebeam.storage.http.pools import WebHosts
from imagebeam.storage.http.store import HttpStore
from imagebeam.storage.types import Settings
from tests.storage.http.stores import HEAD, failure, store
from tests.storage.web import Answer, Request, Site, chunked, raw, stall, status, trickle, whole

_STATUSES = [
    *((code, ServerFailed, 1) for code in (204, 304)),
    *((code, Denied, 1) for code in (401, 403, 407)),
    *((code, Missing, 1) for code in (404, 410)),
    (412, Changed, 1),
    *((code, Throttled, 2) for code in (429, 503)),
    *((code, ServerFailed, 2) for code in (408, 409, 425, 500, 501, 502, 504, 505, 507, 508, 511)),
    *((code, ServerFailed, 1) for code in (400, 402, 405, 406, 411, 413, 414, 415, 417, 418)),
    *((code, ServerFailed, 1) for code in (421, 422, 423, 424, 426, 428, 431, 451)),
]


@pytest.mark.parametrize(("code", "kind", "attempts"), _STATUSES)
def test_each_status_has_its_error(
    site: Site, code: int, kind: type[StoreError], attempts: int
) -> None:
    found, text = failure(site.add("/a?secret", status(code)), store(attempts=2))
    assert found is kind
    assert "secret" not in text
    assert len(site.requests) == attempts
    with pytest.raises(kind):
        store().open(site.url("/a?secret"))


@pytest.mark.parametrize("code", [400, 402, 405, 406, 413, 451])
def test_a_request_that_the_server_refuses_is_no_question_of_rights(site: Site, code: int) -> None:
    found = failure(site.add("/a", status(code)), store())
    assert found == (ServerFailed, f"the server refuses the request (status {code})")


def test_a_redirect_to_nowhere_is_not_retried(site: Site) -> None:
    failure(site.add("/a", status(302)), store(attempts=5))
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
    raw(HEAD + b"123"),
    raw(HEAD + b"123", reset=True),
    raw(HEAD + b"12345678901"),
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
    (raw(HEAD + b"1", reset=True), ConnectionFailed, "Connection reset by peer"),
    (raw(HEAD + b"123"), WrongLength, "fewer bytes arrived than were announced"),
    (raw(HEAD + b"12345678901"), WrongLength, "more bytes arrive than were announced"),
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
        stall(HEAD + b"123"),
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
    url = site.add("/a", stall(), stall(HEAD + b"1"), whole(b"1"))
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
    expected = r"a defect of imagebeam, .*UnheardOfError: https://a\.org/\?…, at test_failures\.py:"
    with pytest.raises(UnexpectedError, match=expected):
        HttpStore(settings, Broken(settings)).read("http://a.example/a", 99)
