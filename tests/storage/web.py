"""A web server on loopback, which simulates faults."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

from tests.storage.serving import serving

Request: TypeAlias = BaseHTTPRequestHandler
"""A function that receives the request and writes the response to `wfile`."""

Answer: TypeAlias = Callable[[Request], None]
"""Handles one request."""


class Site:
    """A server and its responses; other paths are not found.

    Attributes:
        requests: (method, path, headers) of each, in order.
        connections: how many were made.
        busiest: most requests at once.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        site = self
        self._answers: dict[str, Answer] = {}
        self._lock = threading.Lock()
        self._busy = 0
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.connections = 0
        self.busiest = 0
        self.scheme = "https" if tls else "http"

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self) -> tuple[socket.socket, Any]:
                connection, address = super().get_request()
                site.connections += 1
                return connection, address

            def finish_request(self, request: Any, client_address: Any) -> None:
                if tls:
                    request = tls.wrap_socket(request, server_side=True)
                try:
                    super().finish_request(request, client_address)
                finally:
                    request.close()

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Print nothing: clients that disconnect are the subject of the tests."""

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # so that head and body of an answer leave at once

            def do_GET(self) -> None:
                site._serve(self)

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *args: object) -> None:
                """Print nothing."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def add(self, path: str, *answers: Answer) -> str:
        """Set the responses of a path, one per request; the last one is repeated."""
        left = list(answers)

        def answer(request: Request) -> None:
            (left.pop(0) if len(left) > 1 else left[0])(request)

        self._answers[path] = answer
        return self.url(path)

    @contextmanager
    def running(self) -> Iterator["Site"]:
        with serving(self._server):
            yield self

    def _serve(self, request: Request) -> None:
        with self._lock:
            self.requests.append((request.command, request.path, dict(request.headers)))
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        try:
            self._answers.get(request.path, status(404))(request)
            request.wfile.flush()
        finally:
            with self._lock:
                self._busy -= 1


def send(request: Request, code: int, headers: dict[str, str], body: bytes = b"") -> None:
    """Send a response with its length, unless the headers state another."""
    request.send_response(code)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        if value:
            request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


def status(code: int, **headers: str) -> Answer:
    """Respond with a status; `Retry_After` means the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: send(request, code, named, HTTPStatus(code).phrase.encode())


def redirect(target: str, code: int = 302, **headers: str) -> Answer:
    """Respond with a redirect."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: send(request, code, {"Location": target} | named)


def whole(data: bytes, **headers: str) -> Answer:
    """Serve an object without range support."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: send(request, 200, named, data)


def stored(data: bytes, etag: str = "", **headers: str) -> Answer:
    """Serve an object with ranges and versions."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named |= {"ETag": etag} if etag else {}

    def answer(request: Request) -> None:
        if request.headers.get("If-Match", etag) != etag:
            send(request, 412, {})
            return
        wanted = request.headers.get("Range", "")
        if not wanted:
            send(request, 200, named | {"Accept-Ranges": "bytes"}, data)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(data)), len(data) - 1)
        if start >= len(data):
            send(request, 416, named | {"Content-Range": f"bytes */{len(data)}"})
            return
        place = {"Content-Range": f"bytes {start}-{end}/{len(data)}"}
        send(request, 206, named | place, data[start : end + 1])

    return answer


def chunked(*parts: bytes, end: bool = True) -> Answer:
    """Send a body in chunks, with or without the last one."""

    def answer(request: Request) -> None:
        send(request, 200, {"Content-Length": "", "Transfer-Encoding": "chunked"})
        for part in parts:
            request.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        if end:
            request.wfile.write(b"0\r\n\r\n")
        request.close_connection = not end

    return answer


def trickle(head: bytes, drop: bytes = b"x", pause: float = 0.05) -> Answer:
    """Send raw bytes, then one now and then until the client disconnects."""

    def answer(request: Request) -> None:
        request.close_connection = True
        request.wfile.write(head)
        while True:
            request.wfile.write(drop)
            request.wfile.flush()
            time.sleep(pause)

    return answer


def stall(head: bytes = b"") -> Answer:
    """Send raw bytes, then nothing until the client disconnects."""

    def answer(request: Request) -> None:
        request.close_connection = True
        request.wfile.write(head)
        request.wfile.flush()
        request.rfile.read()

    return answer


def raw(data: bytes, reset: bool = False) -> Answer:
    """Send raw bytes, then close the connection, politely or not."""

    def answer(request: Request) -> None:
        request.close_connection = True
        request.wfile.write(data)
        request.wfile.flush()
        if reset:
            time.sleep(0.02)  # or the client would never see the bytes
            lingering = struct.pack("ii", 1, 0)
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)

    return answer
