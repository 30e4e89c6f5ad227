"""Test requests to engines with a server on loopback."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError

import pytest
import requests
from google.api_core.exceptions import Forbidden

from imagebeam.beam_pipeline.runners import rest
from tests.engines.tools import answering, free_port

_BODIES = {"/object": b'{"a": 1}', "/list": b"[1]", "/html": b"<html>", "/empty": b""}


class _Handler(BaseHTTPRequestHandler):
    def do_PATCH(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path == "/forbidden":
            self.send_response(403)
            body = b'{"error": {"message": "Not you."}}'
        else:
            self.send_response(200)
            body = _BODIES[self.path]
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_a_response_is_an_object_or_empty(server: str) -> None:
    assert rest.call(f"{server}/object") == {"a": 1}
    assert rest.call(f"{server}/empty", "PATCH") == {}
    with requests.Session() as session:
        assert rest.call(f"{server}/object", session=session) == {"a": 1}


@pytest.mark.parametrize("path", ["/list", "/html"])
def test_any_other_response_is_an_error(server: str, path: str) -> None:
    with pytest.raises(ValueError, match="the response is not a JSON object"):
        rest.call(server + path)


def test_a_server_of_another_protocol_is_an_error() -> None:
    with (
        answering(b"\0\0Akka\r\n") as port,
        pytest.raises(ValueError, match="the response is not one of HTTP"),
    ):
        rest.call(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("place", ["flink:port", "a b:80 80", "[::1"])
def test_an_address_that_is_none_is_an_error(place: str) -> None:
    with pytest.raises(ValueError, match=r"nonnumeric port|Invalid IPv6 URL"):
        rest.call(f"http://{place}/")


def test_an_error_response_raises_its_own_error(server: str) -> None:
    with pytest.raises(HTTPError, match="403"):
        rest.call(f"{server}/forbidden")
    with requests.Session() as session, pytest.raises(Forbidden, match="Not you"):
        rest.call(f"{server}/forbidden", session=session)


def test_a_server_that_does_not_listen_is_an_error() -> None:
    with pytest.raises(OSError, match="refused"):
        rest.call(f"http://127.0.0.1:{free_port()}/")
