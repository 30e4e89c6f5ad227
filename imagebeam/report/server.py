"""Show an output of any size in a browser of this machine, read-only.

Only loopback is served. The address holds a token, so that other users and pages of this machine
that do not know it get nothing; a request for another host, which a page elsewhere could cause by
renaming its own host, is refused. Pictures are named by their row, never by a path.
"""

import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from imagebeam.images.errors import ImageError
from imagebeam.report import contents as output_contents
from imagebeam.report.answers import Answers
from imagebeam.report.row_index import RowIndex
from imagebeam.report.truth import TruthRows
from imagebeam.storage import AnyPath

HOST = "127.0.0.1"
_SECONDS = 60.0
"""A browser that neither sends nor takes anything for this time is left alone."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_NO_HEADERS: Mapping[str, str] = {}
_SANDBOXED = {"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'"}


class PortError(Exception):
    """A port cannot be listened on."""


class ReportServer:
    """Serves the page of an output from `address` until it is closed.

    Attributes:
        contents: the contents of the output, when it was opened.
    """

    def __init__(self, output: AnyPath, port: int = 0, truth: TruthRows | None = None) -> None:
        """Read an output and listen; port 0 is any that is free.

        Raises:
            PortError: the port cannot be used.
            OutputError: the folder is not an output.
        """
        token = secrets.token_urlsafe(24)
        # Before the rows are read, which may take a minute.
        try:
            self._http = _Http((HOST, port), _Handler)
        except OSError as error:
            raise PortError(error.strerror or error) from error
        self._http.prefix = f"/{token}/"
        with ExitStack() as opened:
            opened.callback(self._http.server_close)
            images, failures = (opened.enter_context(closing(RowIndex())) for _ in range(2))
            truths = [truth] if truth else []
            self.contents = output_contents.read(
                output.absolute(), [images, *truths], [failures, *truths]
            )
            images.finish()
            failures.finish()
            self._http.answers = Answers(
                self.contents, images, failures, truth.accuracy() if truth else None
            )
            opened.callback(self._http.answers.close)
            self._opened = opened.pop_all()

    @property
    def address(self) -> str:
        """Return the address to open, with the token."""
        return f"http://{HOST}:{self._http.server_port}{self._http.prefix}"

    def serve(self) -> None:
        """Answer requests until `stop` is called in another thread."""
        self._http.serve_forever()

    def stop(self) -> None:
        """End `serve`."""
        self._http.shutdown()

    def close(self) -> None:
        """Free the port, the rows and the decoding processes."""
        self._http.is_closing = True
        self._opened.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    prefix: str
    answers: Answers
    is_closing = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what failed, unless the browser has left or the work was ended."""
        is_expected = isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError))
        if not (is_expected or self.is_closing):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    timeout = _SECONDS

    def version_string(self) -> str:
        """Return the name of the server, without versions."""
        return "imagebeam"

    def log_message(self, *_: Any) -> None:
        """Log nothing: addresses hold the token."""

    def do_GET(self) -> None:
        """Answer a request."""
        port = self.server.server_port
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            self._refuse(HTTPStatus.FORBIDDEN, f"open the address with {HOST}, which was printed")
            return
        url = urlsplit(self.path)
        prefix = self.server.prefix
        if not secrets.compare_digest(url.path[: len(prefix)].encode(), prefix.encode()):
            self._refuse(HTTPStatus.NOT_FOUND, "open the whole address that was printed")
            return
        given = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            self._answer(url.path[len(prefix) :], given)
        except (IndexError, ValueError) as error:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no such row or choice: {error}")
        except ImageError as error:
            self._refuse(HTTPStatus.NOT_FOUND, f"{error.code}: {error}")

    def _answer(self, name: str, given: Mapping[str, str]) -> None:
        answers = self.server.answers
        match name.split("/"):
            case [""]:
                self._send(answers.page, "text/html; charset=utf-8")
            case ["pictures"]:
                self._send_json(answers.pictures(given))
            case ["failures"]:
                self._send_json(answers.failed(given))
            case ["pictures.txt"]:
                self._stream(answers.lines(given), "text/plain; charset=utf-8")
            case ["pictures.csv"]:
                self._stream(answers.table(given), "text/csv; charset=utf-8")
            case ["thumbnail", row]:
                self._send(*answers.thumbnail(int(row)))
            case ["original", row]:
                self._send(*answers.original(int(row)), _SANDBOXED)
            case _:
                self._refuse(HTTPStatus.NOT_FOUND, "nothing has this address")

    def _send_json(self, value: Any) -> None:
        self._send(json.dumps(value).encode(), "application/json")

    def _send(
        self,
        body: bytes,
        media_type: str,
        headers: Mapping[str, str] = _NO_HEADERS,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> None:
        self._start(media_type, {"Content-Length": str(len(body)), **headers}, status)
        self.wfile.write(body)

    def _stream(self, texts: Iterator[str], media_type: str) -> None:
        self._start(media_type, {}, HTTPStatus.OK)
        for some in texts:
            self.wfile.write(some.encode())

    def _start(self, media_type: str, headers: Mapping[str, str], status: HTTPStatus) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": media_type, **_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._send(f"{reason}\n".encode(), "text/plain; charset=utf-8", {}, status)
