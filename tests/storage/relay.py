"""A server between clients and a real one, which simulates faults."""

import http.client
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.storage.serving import serving


@dataclass(frozen=True)
class Reply:
    """The response of the real server."""

    status: int
    headers: dict[str, str]
    body: bytes


class Exchange:
    """One request, for a fault to handle."""

    def __init__(self, handler: BaseHTTPRequestHandler, target: str, body: bytes) -> None:
        self._handler = handler
        self._host = target
        self.target = handler.path
        self.body = body
        self.method = handler.command
        self.headers = dict(handler.headers)
        self.query = dict(parse_qsl(urlsplit(handler.path).query))
        self.path = unquote(urlsplit(handler.path).path)

    def ask(self, query: str = "") -> Reply:
        """Forward the request to the real server, with more parameters in the query."""
        path = self.target + (f"&{query}" if query else "")
        headers = dict(self._handler.headers)
        connection = http.client.HTTPConnection(self._host, timeout=30)
        try:
            connection.request(self._handler.command, path, self.body, headers)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def reply(self, reply: Reply) -> None:
        self.head(reply)
        self.send(reply.body)

    def head(self, reply: Reply) -> None:
        length = str(len(reply.body))
        if self._handler.command == "HEAD":
            length = reply.headers.get("Content-Length", "0")
        self._handler.send_response_only(reply.status)
        for name, value in ({"Content-Length": length} | reply.headers).items():
            if name.lower() not in ("connection", "transfer-encoding"):
                self._handler.send_header(name, value)
        self._handler.end_headers()

    def send(self, data: bytes) -> None:
        if self._handler.command != "HEAD":
            self._handler.wfile.write(data)
            self._handler.wfile.flush()

    def hang_up(self, reset: bool = False) -> None:
        self._handler.close_connection = True
        if reset:
            lingering = struct.pack("ii", 1, 0)
            self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)

    def wait(self) -> None:
        """Wait until the client disconnects."""
        self._handler.close_connection = True
        self._handler.rfile.read()


Fault: TypeAlias = Callable[[Exchange], None]


class Always(deque[Fault]):
    """The same fault for every request."""

    def popleft(self) -> Fault:
        return self[0]


class Relay:
    """The server and its next faults.

    Attributes:
        faults: the first is for the next request, and so on; those after are relayed.
        requests: (method, path with query, headers by lower-case name) of each, in order.
        connections: how many were made.
    """

    def __init__(self, address: str) -> None:
        relay = self
        self._target = urlsplit(address).netloc
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.connections = 0

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def get_request(self) -> tuple[socket.socket, Any]:
                relay.connections += 1
                return super().get_request()

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Print nothing: clients that disconnect are the subject of the tests."""

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # so that head and body of an answer leave at once

            def _relay(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                relay.requests.append((self.command, self.path, headers))
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fault = relay.faults.popleft() if relay.faults else honest
                fault(Exchange(self, relay._target, body))

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _relay  # noqa: N815

            def log_message(self, *args: object) -> None:
                """Print nothing."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def forget(self) -> None:
        """Restore the initial state."""
        self.faults = deque()
        self.requests.clear()
        self.connections = 0

    @contextmanager
    def running(self) -> Iterator["Relay"]:
        with serving(self._server):
            yield self


def honest(exchange: Exchange) -> None:
    """Forward the request without a fault."""
    exchange.reply(exchange.ask())


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Respond with a status."""

    def answer(exchange: Exchange) -> None:
        exchange.reply(Reply(code, headers, body))

    return answer


def refused(exchange: Exchange) -> None:
    """Close the connection without a response."""
    exchange.hang_up()


def lost(exchange: Exchange) -> None:
    """Forward the request and drop the response."""
    exchange.ask()
    exchange.hang_up(reset=True)


def cut(exchange: Exchange) -> None:
    """Send the first half and close the connection."""
    reply = exchange.ask()
    exchange.head(reply)
    exchange.send(reply.body[: len(reply.body) // 2])
    exchange.hang_up()


def corrupted(exchange: Exchange) -> None:
    """Change one bit."""
    reply = exchange.ask()
    exchange.head(reply)
    exchange.send(bytes([reply.body[0] ^ 1]) + reply.body[1:])


def shortened(exchange: Exchange) -> None:
    """Drop the last byte and announce the shorter length."""
    reply = exchange.ask()
    exchange.head(
        replace(reply, headers=reply.headers | {"Content-Length": str(len(reply.body) - 1)})
    )
    exchange.send(reply.body[:-1])


def stalled(exchange: Exchange) -> None:
    """Send nothing until the client disconnects."""
    exchange.wait()


def stalled_body(exchange: Exchange) -> None:
    """Send all but the last byte, then wait until the client disconnects."""
    reply = exchange.ask()
    exchange.head(reply)
    exchange.send(reply.body[:-1])
    exchange.wait()


def trickling(exchange: Exchange) -> None:
    """Send a byte of an endless body now and then until the client disconnects."""
    exchange.head(replace(exchange.ask(), headers={"Content-Length": "1000"}))
    _trickle(exchange)


def trickling_head(exchange: Exchange) -> None:
    """Send a byte of an endless header now and then until the client disconnects."""
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
    _trickle(exchange)


def _trickle(exchange: Exchange) -> None:
    exchange.hang_up()
    while True:
        exchange.send(b"x")
        time.sleep(0.05)
