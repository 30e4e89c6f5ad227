"""Test that a compressed body can only end the process that decompresses it."""

import gzip
import signal
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pyarrow as pa
import pytest
import zstandard

from imagebeam.storage.errors import TimedOut, TooLarge, Unsupported, WrongChecksum, WrongLength
from imagebeam.storage.http.content_codings import BODY_PROCESSES, decoded
from tests.images.containers.processes import readers

_KIND = "content_codings_child"
_DATA = b"content of a picture" * 1000


def _brotli(data: bytes) -> bytes:
    return bytes(pa.compress(data, "brotli", asbytes=True))


_PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": _brotli,
    "zstd": zstandard.compress,
}
each_coding = pytest.mark.parametrize("coding", _PACK)


@pytest.fixture(autouse=True)
def no_process_remains() -> Iterator[None]:
    BODY_PROCESSES.end()
    yield
    BODY_PROCESSES.end()
    assert readers(_KIND) == []


@each_coding
def test_a_body_is_decompressed_by_a_process_that_serves_the_next_one(coding: str) -> None:
    for data in (_DATA, b"", _DATA[:7]):
        assert decoded(_PACK[coding](data), coding, len(_DATA)) == data
    assert len(readers(_KIND)) == 1


def test_a_body_without_a_compression_takes_no_process() -> None:
    assert decoded(_DATA, None, 10) == _DATA
    assert decoded(_DATA, "utf-8, identity", 10) == _DATA
    assert readers(_KIND) == []


@each_coding
def test_a_bomb_is_too_large(coding: str) -> None:
    with pytest.raises(TooLarge, match="unpacks to more than 1,000,000 bytes, the limit"):
        decoded(_PACK[coding](bytes(50_000_000)), coding, 1_000_000)


@each_coding
def test_a_body_that_breaks_off_or_is_damaged(coding: str) -> None:
    with pytest.raises(WrongLength, match=f"breaks off, as {coding} that"):
        decoded(_PACK[coding](_DATA)[:-5], coding, len(_DATA))
    with pytest.raises(WrongChecksum, match=f"is not the {coding} that"):
        decoded(b"\x0f<html>" * 9, coding, len(_DATA))
    assert decoded(_PACK[coding](_DATA), coding, len(_DATA)) == _DATA


def test_compressions_that_are_not_read() -> None:
    with pytest.raises(Unsupported, match="compresses it as compress, which was not requested"):
        decoded(_DATA, "x-compress", 10)
    with pytest.raises(Unsupported, match="compresses it 4 times"):
        decoded(_DATA, "gzip, gzip, gzip, gzip", 10)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_ends_costs_its_body_only(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    packed = gzip.compress(_DATA)
    process = BODY_PROCESSES.take()
    [running] = readers(_KIND)
    receive = process.channel.receive

    def end_first(*limits: Any) -> bytearray:
        running.send_signal(number)
        running.resume()
        return receive(*limits)

    monkeypatch.setattr(process.channel, "receive", end_first)
    # A stopped process has not answered before it ends.
    running.suspend()
    BODY_PROCESSES.give_back(process)
    with pytest.raises(WrongChecksum) as caught:
        decoded(packed, "gzip", len(_DATA))
    how = f"signal {signal.strsignal(number)}"
    assert str(caught.value) == f"the process that unpacks it as gzip ended with {how}"
    assert decoded(packed, "gzip", len(_DATA)) == _DATA


def test_a_process_that_hangs_is_ended() -> None:
    packed = gzip.compress(_DATA)
    assert decoded(packed, "gzip", len(_DATA)) == _DATA
    [process] = readers(_KIND)
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(WrongChecksum, match=r"takes more than 0\.5 s to unpack as gzip"):
        decoded(packed, "gzip", len(_DATA), seconds=0.5)
    assert readers(_KIND) == []
    assert decoded(packed, "gzip", len(_DATA)) == _DATA


def test_no_more_bodies_are_decompressed_at_once_than_processes_may_be_lent() -> None:
    packed = gzip.compress(_DATA)
    with ExitStack() as lent:
        for _ in range(4):
            lent.enter_context(BODY_PROCESSES.lend(60))
        assert len(readers(_KIND)) == 4
        reason = r"no process that decompresses bodies was free for 0\.5 s"
        with pytest.raises(TimedOut, match=reason):
            decoded(packed, "gzip", len(_DATA), seconds=0.5)
    assert decoded(packed, "gzip", len(_DATA)) == _DATA
    assert len(readers(_KIND)) == 4
