"""Shows an output of any size in a browser of this machine, read-only.

Only loopback is served. The address holds a token, so that other users and pages of this machine
that do not know it get nothing; a request for another host, which a page elsewhere could cause by
renaming its own host, is refused. Pictures are named by their row, never by a path.
"""

import csv
import io
import json
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.images.errors import ImageError
from imagebeam.outputs.export import spreadsheet_cell
from imagebeam.report import contents as output_contents
from imagebeam.report.contents import Contents
from imagebeam.report.data import RowList, picture
from imagebeam.report.page import Rows, render
from imagebeam.report.picture_reader import PictureReader
from imagebeam.report.row_index import SORTS, Question, RowIndex
from imagebeam.report.truth import Accuracy, TruthRows
from imagebeam.storage import AnyPath

HOST = "127.0.0.1"
_PER_PAGE = 60
_CHUNK_ROWS = 4096
_SECONDS = 60.0
"""A browser that neither sends nor takes anything for this time is left alone."""

_POLICY = {"img-src": "'self' data:", "connect-src": "'self'"}
_NOTE = (
    "Pictures are read when they are shown. This page is served by a program on this machine; it "
    "works for as long as that runs."
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FAILED = {"name": "uri", "message": "message"}
_NO_HEADERS: Mapping[str, str] = {}
_SANDBOXED = {"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'"}


class PortError(Exception):
    """A port cannot be listened on."""


class ReportServer:
    """Serves the page of an output from `address` until it is closed.

    Attributes:
        contents: of the output, when it was opened.
    """

    def __init__(self, output: AnyPath, port: int = 0, truth: TruthRows | None = None) -> None:
        """Read an output and listen.

        Args:
            output: of a job.
            port: to listen on; 0 is any that is free.
            truth: true labels to compare with.

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
            self._http.answers = _Answers(
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


class _Answers:
    """What the page may ask for."""

    def __init__(
        self,
        contents: Contents,
        images: RowIndex,
        failures: RowIndex,
        accuracy: Accuracy | None,
    ) -> None:
        self._images = images
        self._failures = failures
        self._reader = PictureReader()
        lists = {
            "images": RowList(images.total, images.total, is_served=True),
            "failures": RowList(failures.total, failures.total, is_served=True),
        }
        self.page = render(contents, {}, Rows(lists), _POLICY, _NOTE, accuracy).encode()

    def pictures(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of pictures."""
        places = self._images.find(_question(given))
        start = _first(given.get("page"), len(places))
        rows = self._images.rows(places[start : start + _PER_PAGE])
        return {"found": len(places), "items": [picture(row) for row in rows]}

    def failed(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of the failed images with a code."""
        places = self._failures.find(Question(label=given.get("code", "")))
        start = _first(given.get("errors"), len(places))
        rows = self._failures.rows(places[start : start + _PER_PAGE])
        items = [
            {name: escape_control_chars(row[key]) for name, key in _FAILED.items()} for row in rows
        ]
        return {"found": len(places), "items": items}

    def lines(self, given: Mapping[str, str]) -> Iterator[str]:
        """Yield the paths of all pictures that are wanted, one per line."""
        for rows in self._wanted(given):
            yield "".join(f"{row['uri']}\n" for row in rows)

    def table(self, given: Mapping[str, str]) -> Iterator[str]:
        """Yield a CSV file with all pictures that are wanted."""
        yield "uri,label,score\n"
        for rows in self._wanted(given):
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
            for row in rows:
                writer.writerow(map(spreadsheet_cell, (row["uri"], row["label"], row["score"])))
            yield text.getvalue()

    def thumbnail(self, place: int) -> tuple[bytes, str]:
        """Return a small copy of a picture, and its media type."""
        return self._reader.thumbnail(self._images.uri(place)), "image/webp"

    def original(self, place: int) -> tuple[bytes, str]:
        """Return a picture as it is, and its media type."""
        return self._reader.original(self._images.uri(place))

    def close(self) -> None:
        """End the decoding processes."""
        self._reader.close()

    def _wanted(self, given: Mapping[str, str]) -> Iterator[Sequence[Mapping[str, Any]]]:
        places = self._images.find(_question(given))
        for start in range(0, len(places), _CHUNK_ROWS):
            yield self._images.rows(places[start : start + _CHUNK_ROWS])


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    prefix: str
    answers: _Answers
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


def _question(given: Mapping[str, str]) -> Question:
    """Return what the choices of a page ask for.

    Raises:
        ValueError: a choice is not one.
    """
    sort, year = given.get("sort", ""), given.get("year", "")
    if sort and sort not in SORTS:
        raise ValueError(f"sort {sort!r}")
    return Question(
        given.get("class", ""),
        given.get("folder", ""),
        str(int(year)) if year else "",
        given.get("name", ""),
        round(1000 * min(max(float(given.get("from") or 0), 0), 1)),
        sort,
    )


def _first(page: str | None, found: int) -> int:
    """Return the place of the first row of a page; of the first page, where there is no such one.

    Raises:
        ValueError: the page is not a number.
    """
    start = (int(page or 1) - 1) * _PER_PAGE
    return start if 0 <= start < found else 0
