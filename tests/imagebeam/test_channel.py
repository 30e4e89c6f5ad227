import socket
import struct
import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from imagebeam.channel import Channel


class Pair(NamedTuple):
    """Two ends, each as a socket and as a channel."""

    ours: socket.socket
    theirs: socket.socket
    one: Channel
    other: Channel


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Pair(ours, theirs, Channel(ours), Channel(theirs))


def test_messages_of_several_parts_arrive_as_one(pair: Pair) -> None:
    one, other = pair.one, pair.other
    one.send(b"a", bytearray(b"bc"), memoryview(b"d"))
    one.send(b"")
    one.send(b"e")
    assert [other.receive() for _ in range(3)] == [b"abcd", b"", b"e"]


def test_a_message_larger_than_the_socket_holds_arrives_whole(pair: Pair) -> None:
    one, other = pair.one, pair.other
    parts = [b"head", bytes(range(256)) * 20_000, b"", b"tail" * 500_000]
    sender = threading.Thread(target=one.send, args=parts)
    sender.start()
    assert other.receive() == b"".join(parts)
    sender.join()


def test_what_arrived_before_a_time_limit_is_kept(pair: Pair) -> None:
    one, theirs = pair.one, pair.theirs
    message = struct.pack("<I", 5) + b"hello"
    for end in range(len(message)):
        theirs.sendall(message[end : end + 1])
        if end < len(message) - 1:
            with pytest.raises(TimeoutError):
                one.receive(0.001)
    assert one.receive(60) == b"hello"


def test_a_peer_that_takes_nothing_is_an_error(pair: Pair) -> None:
    with pytest.raises(TimeoutError):
        pair.one.send(bytes(10_000_000), seconds=0.01)


def test_a_peer_that_is_gone_is_an_error(pair: Pair) -> None:
    one, theirs = pair.one, pair.theirs
    theirs.sendall(struct.pack("<I", 5) + b"hel")
    theirs.close()
    with pytest.raises(EOFError):
        one.receive()


def test_a_message_that_is_too_long_is_refused(pair: Pair) -> None:
    one, theirs = pair.one, pair.theirs
    theirs.sendall(struct.pack("<I", 101))
    with pytest.raises(ValueError, match="a message of 101 bytes"):
        one.receive(most=100)
