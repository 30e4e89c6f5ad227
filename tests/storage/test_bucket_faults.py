"""Test faults between a client and its bucket."""

import functools
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

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
    WrongChecksum,
    WrongLength,
)
from imagebeam.storage.gcs import GcsStore
from imagebeam.storage.s3 import S3Store
from imagebeam.storage.types import Settings, Store
from tests.storage.relay import (
    Always,
    Exchange,
    Fault,
    Relay,
    corrupted,
    cut,
    lost,
    refused,
    shortened,
    stalled,
    stalled_body,
    status,
    trickling,
    trickling_head,
)

_DATA = bytes(range(200))
_KINDS = {"gcs": GcsStore, "s3": S3Store}


class Place:
    """An object behind a relay."""

    def __init__(self, relay: Relay, kind: Callable[[Settings], Store]) -> None:
        self.relay = relay
        self.uri = ""
        # Making clients is slow.
        self.store_with = functools.cache(kind)

    def store(self, seconds: float = 30, attempts: int = 2) -> Store:
        return self.store_with(Settings(seconds=seconds, attempts=attempts, first_pause=0.01))


@pytest.fixture(scope="module")
def gcs(gcs_server: str) -> Iterator[Place]:
    with Relay(gcs_server).running() as relay:
        yield Place(relay, GcsStore)


@pytest.fixture(scope="module")
def s3(s3_server: str) -> Iterator[Place]:
    with Relay(s3_server).running() as relay:
        yield Place(relay, S3Store)


@pytest.fixture(params=["gcs", "s3"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    bucket: str = request.getfixturevalue(f"{request.param}_bucket")
    place: Place = request.getfixturevalue(request.param)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", place.relay.address)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", place.relay.address)
    place.uri = f"{bucket}/{uuid.uuid4()}/confidential"
    place.relay.forget()
    place.store().write(place.uri, _DATA)
    place.relay.forget()
    return place


_PASSING = [
    (status(503), Throttled, "the server asks for fewer requests (status 503)"),
    (status(429), Throttled, "the server asks for fewer requests (status 429)"),
    (status(500), ServerFailed, "the server answers with status 500"),
    (status(502), ServerFailed, "the server answers with status 502"),
    (refused, ConnectionFailed, "the server cannot be reached, or hangs up"),
    (lost, ConnectionFailed, "the server cannot be reached, or hangs up"),
    (corrupted, WrongChecksum, "the bytes are not those that were stored"),
    (shortened, WrongChecksum, "the bytes are not those that were stored"),
    (cut, WrongLength, "fewer bytes arrived than were announced"),
]
_NAMES = ["503", "429", "500", "502", "refused", "lost", "corrupted", "shortened", "cut"]


@pytest.mark.parametrize(("fault", "kind", "text"), _PASSING, ids=_NAMES)
def test_transient_errors_are_retried(
    place: Place, fault: Fault, kind: type[StoreError], text: str
) -> None:
    place.relay.faults.append(fault)
    assert place.store().read(place.uri, 999) == _DATA
    assert len(place.relay.requests) == 2


@pytest.mark.parametrize(("fault", "kind", "text"), _PASSING, ids=_NAMES)
def test_lasting_errors_are_reported(
    place: Place, fault: Fault, kind: type[StoreError], text: str
) -> None:
    place.relay.faults.extend([fault] * 9)
    with pytest.raises(StoreError) as caught:
        place.store(attempts=3).read(place.uri, 999)
    assert type(caught.value) is kind
    assert text in str(caught.value)
    assert "confidential" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert len(place.relay.requests) == 3


@pytest.mark.parametrize("code", [401, 403])
def test_denied_requests_are_not_retried(place: Place, code: int) -> None:
    place.relay.faults.append(status(code))
    with pytest.raises(Denied, match=rf"^access is denied \(status {code}\)$"):
        place.store().read(place.uri, 999)
    assert len(place.relay.requests) == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", [stalled, stalled_body, trickling, trickling_head])
def test_a_read_has_a_time_limit(place: Place, fault: Fault) -> None:
    store = place.store(seconds=0.8)
    place.relay.faults.extend([fault] * 9)
    with pytest.raises(TimedOut, match=r"^no answer in time$"):
        store.read(place.uri, 9999)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [stalled, stalled_body])
def test_a_stalled_read_is_retried(place: Place, fault: Fault) -> None:
    place.relay.faults.append(fault)
    assert place.store(seconds=16, attempts=16).read(place.uri, 999) == _DATA


@pytest.mark.slow
def test_info_list_and_write_have_a_time_limit(place: Place) -> None:
    store = place.store(seconds=0.6)
    actions: list[Callable[[], object]] = [
        lambda: store.info(place.uri),
        lambda: store.open(place.uri),
        lambda: list(store.list(place.uri)),
        lambda: store.write(place.uri, b"later"),
        lambda: store.remove(place.uri),
    ]
    # A request of one action may reach the relay during the next one.
    place.relay.faults = Always([trickling_head])
    for action in actions:
        with pytest.raises(TimedOut):
            action()


def test_a_read_is_one_request(place: Place) -> None:
    store = place.store()
    store.read(place.uri, 999)
    store.read(place.uri, 999, 10, 20)
    assert [method for method, _, _ in place.relay.requests] == ["GET", "GET"]


def test_objects_announced_as_too_large_are_not_read(place: Place) -> None:
    place.relay.faults.append(stalled_body)
    with pytest.raises(TooLarge, match=r"^200 bytes, over the limit of 199$"):
        place.store().read(place.uri, 199)


def test_a_server_that_ignores_ranges_is_detected(place: Place) -> None:
    place.relay.faults.append(status(200, _DATA, ETag='"x"'))
    with pytest.raises(ServerFailed, match=r"^the server answers with status 200$"):
        place.store(attempts=1).read(place.uri, 999, 10, 20)


def _page(exchange: Exchange) -> None:
    """List two objects at a time like the service; fake-gcs-server sends all at once."""
    reply = exchange.ask(query="max-keys=2")
    if reply.body.startswith(b"{"):
        listing = json.loads(reply.body)
        start = int(exchange.query.get("pageToken", 0))
        found = {"items": listing["items"][start : start + 2]}
        if start + 2 < len(listing["items"]):
            found["nextPageToken"] = str(start + 2)
        body = json.dumps(found).encode()
        reply = replace(reply, body=body, headers={"Content-Type": "application/json"})
    exchange.reply(reply)


def test_a_listing_continues_after_a_failure(place: Place) -> None:
    store = place.store()
    base = place.uri.rpartition("/")[0]
    for name in "abcde":
        store.write(f"{base}/{name}", b"1")
    place.relay.requests.clear()
    place.relay.faults.extend([_page, status(503), _page, _page])
    names = [info.uri.removeprefix(f"{base}/") for info in store.list(f"{base}/")]
    assert names == ["a", "b", "c", "confidential", "d", "e"]
    assert len(place.relay.requests) == 4


def test_a_write_with_a_lost_response_succeeds(place: Place) -> None:
    store = place.store()
    place.relay.faults.append(lost)
    store.write(f"{place.uri}2", b"first", "")
    assert store.read(f"{place.uri}2", 9) == b"first"
    version = store.info(f"{place.uri}2").version
    place.relay.faults.append(lost)
    store.write(f"{place.uri}2", b"later", version)
    assert store.read(f"{place.uri}2", 9) == b"later"


def test_a_concurrent_write_is_not_overwritten(place: Place) -> None:
    place.relay.faults.append(refused)
    with pytest.raises(Changed):
        place.store().write(place.uri, b"mine", "")
    assert place.store().read(place.uri, 999) == _DATA


def test_a_removal_with_a_lost_response_succeeds(place: Place) -> None:
    place.relay.faults.append(lost)
    place.store().remove(place.uri)
    with pytest.raises(Missing):
        place.store().read(place.uri, 999)


def test_threads_share_a_client_and_its_connections(place: Place) -> None:
    store = place.store()
    start = threading.Barrier(16)

    def read(_: int) -> bytes:
        return store.read(place.uri, 999)

    def first(_: int) -> bytes:
        start.wait()
        return store.read(place.uri, 999)

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(first, range(16))) == {_DATA}
        assert set(threads.map(read, range(100))) == {_DATA}
    assert len(place.relay.requests) == 116
    assert place.relay.connections <= 16
