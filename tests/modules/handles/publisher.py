"""A local server that responds like the publisher of the catalogue."""

import hashlib
import io
import re
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Publisher:
    """The files of the server by path, and the requests that it received.

    Attributes:
        breaks_after: bytes of a body after which the connection is closed once; None for never.
        ranges: the `Range` header of each GET.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    breaks_after: int | None = None
    ranges: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Publisher]:
    """Run a publisher with HEAD, ranges and a strong ETag, as Google Cloud Storage has them."""
    publisher = Publisher()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._send(body=False)

        def do_GET(self) -> None:
            publisher.ranges.append(self.headers.get("Range", ""))
            self._send(body=True)

        def _send(self, body: bool) -> None:
            content = publisher.files.get(self.path)
            if content is None:
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            start = int(match[1]) if match else 0
            stop = min(int(match[2]) + 1 if match and match[2] else len(content), len(content))
            self.send_response(206 if match else 200)
            self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
            self.send_header("Content-Length", str(stop - start))
            if match:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
            self.end_headers()
            if not body:
                return
            limit = publisher.breaks_after
            if limit is not None and stop > limit:
                self.wfile.write(content[start : max(start, limit)])
                self.close_connection = True
                return
            self.wfile.write(content[start:stop])

        def log_message(self, *args: object) -> None:
            del args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    publisher.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield publisher
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def archive(files: dict[str, bytes]) -> bytes:
    """Pack files like the publisher: names start with `./`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
