"""Objects behind http:// and https:// URLs."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from urllib3 import HTTPHeaderDict
from urllib3.response import BaseHTTPResponse

from imagebeam.storage.errors import ServerFailed, TooLarge, Unsupported, WrongLength
from imagebeam.storage.http.connection_errors import translate_errors
from imagebeam.storage.http.content_codings import content_codings, decoded
from imagebeam.storage.http.forward import ForwardFile
from imagebeam.storage.http.pools import WebHosts
from imagebeam.storage.http.responses import read_body, verify_checksums
from imagebeam.storage.http.web_requests import WebRequests, drain, version_of
from imagebeam.storage.ranged import BUFFER, RangedFile
from imagebeam.storage.retry import retry
from imagebeam.storage.types import ObjectInfo, Settings

_NO_HEAD = (400, 403, 405, 406, 501)
"""With these statuses a server may refuse the method, not the object."""

_SHOWN = ("gzip", "zstd")
"""Compressions whose first bytes show them."""

_PART = 1 << 20

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")

T = TypeVar("T")


class HttpStore:
    """Objects of web servers. An object's version is its strong ETag, else its Last-Modified.

    URLs are not trusted: `pools` connects to public hosts only, and each redirect is checked like
    the first URL. Checksums in the headers are compared where a whole object is read, and the
    owner's `X-Robots-Tag` is obeyed.
    """

    def __init__(self, settings: Settings, hosts: WebHosts | None = None) -> None:
        self._settings = settings
        self._requests = WebRequests(settings, hosts or WebHosts(settings))

    def info(self, uri: str) -> ObjectInfo:
        """Return what is known of an object; its size is None where the server states none."""
        return self._retry(lambda: self._look(uri))

    def read(
        self, uri: str, max_bytes: int, start: int = 0, size: int | None = None, version: str = ""
    ) -> bytes:
        """Read an object or a byte range of it; without ranges, what precedes it is sent too."""
        if size is not None and size > max_bytes:
            raise TooLarge(f"{size:,} bytes, over the limit of {max_bytes:,}")
        if size == 0:
            self._retry(lambda: self._probe(uri, version))
            return b""
        if start == 0 and size is None:
            return self.read_redirected(uri, max_bytes, version)[0]
        return self._retry(lambda: self._read_part(uri, max_bytes, start, size, version))

    def read_redirected(self, uri: str, max_bytes: int, version: str = "") -> tuple[bytes, str]:
        """Read a whole object; return the address that redirects led to, "" if there were none."""
        return self._retry(lambda: self._read_whole(uri, max_bytes, version))

    def open(self, uri: str, version: str = "") -> io.BufferedReader:
        """Open an object, by ranges where the server has them, else from its start."""
        info, by_range = self._retry(lambda: self._probe(uri, version))
        if by_range:
            return io.BufferedReader(RangedFile(self, info), BUFFER)
        file = ForwardFile(
            lambda: self._stream(uri, info.version), self._retry, info.size, self._settings
        )
        return io.BufferedReader(file, BUFFER)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Refuse: the web has no listing."""
        raise Unsupported("http(s):// cannot be listed; name each URL, as in a manifest")

    def write(self, uri: str, data: bytes, if_version: str | None = None) -> None:
        """Refuse: the web is read only."""
        _refuse_writing()

    def remove(self, uri: str) -> None:
        """Refuse: the web is read only."""
        _refuse_writing()

    def _retry(self, action: Callable[[], T]) -> T:
        return retry(self._settings, action)

    def _look(self, uri: str) -> ObjectInfo:
        with self._requests.response(uri, "HEAD", expected=(200, *_NO_HEAD)) as response:
            drain(response)
            if response.status == 200:
                return ObjectInfo(uri, _size(response), version_of(response.headers))
        return self._probe(uri, "")[0]

    def _probe(self, uri: str, version: str) -> tuple[ObjectInfo, bool]:
        """Return the facts of the first byte's response, and whether the server has ranges."""
        headers = {"Range": "bytes=0-0"}
        with self._requests.response(
            uri, headers=headers, version=version, expected=(200, 206, 416)
        ) as got:
            by_range, size = got.status != 200, _size(got)
            if got.status == 206:
                _check_encoding(got.headers)
                total = _content_range(got.headers)[2]
                by_range, size = total is not None, total
            elif got.status == 416:
                size = 0
            drain(got)
            return ObjectInfo(uri, size, version_of(got.headers)), by_range

    def _read_whole(self, uri: str, max_bytes: int, version: str) -> tuple[bytes, str]:
        redirects: list[str] = []
        with self._requests.response(uri, version=version, redirects=redirects) as response:
            data = read_body(response, response.headers.get("Content-Length"), max_bytes)
            verify_checksums(response.headers, data)
            data = decoded(data, response.headers.get("Content-Encoding"), max_bytes)
            return data, redirects[-1] if redirects else ""

    def _read_part(
        self, uri: str, max_bytes: int, start: int, size: int | None, version: str
    ) -> bytes:
        headers = {"Range": f"bytes={start}-{'' if size is None else start + size - 1}"}
        with self._requests.response(
            uri, headers=headers, version=version, expected=(200, 206, 416)
        ) as response:
            _check_encoding(response.headers)
            if response.status == 206:
                data = _read_range(response, max_bytes, start, size)
            elif response.status == 200:
                data = _read_cut(response, max_bytes, start, size)
            else:
                data = b""
                _check_reach(start, start, size)
        if size is not None and len(data) != size:
            raise WrongLength(f"{len(data):,} of {size:,} bytes arrived")
        return data

    @contextmanager
    def _stream(self, uri: str, version: str) -> "Iterator[_Stream]":
        with self._requests.response(uri, version=version) as response:
            _check_encoding(response.headers)
            yield _Stream(response)


class _Stream:
    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response

    def read(self, amt: int, /) -> bytes:
        with translate_errors():
            return self._response.read(amt)


def _refuse_writing() -> NoReturn:
    raise Unsupported("http(s):// cannot be written; use a local, gs:// or s3:// name")


def _coding(headers: HTTPHeaderDict) -> str:
    """Return how the body is compressed; "" where it is not."""
    return ", ".join(content_codings(headers.get("Content-Encoding")))


def _check_encoding(headers: HTTPHeaderDict) -> None:
    """Refuse a compression that the bytes do not show by themselves.

    A file is read as it is sent, as curl and wget save it: many servers call a `.tar.gz` a tar file
    that they compressed. Readers of containers and manifests recognise gzip and zstd by content.
    """
    if (coding := _coding(headers)) not in ("", *_SHOWN):
        raise Unsupported(
            f"the server compresses it as {coding}, so it cannot be read in parts. "
            "Download it, and name the file"
        )


def _size(response: BaseHTTPResponse) -> int | None:
    """Return the size of the whole object."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and not _coding(response.headers) else None


def _content_range(headers: HTTPHeaderDict) -> tuple[int, int, int | None]:
    """Return first byte, last byte, and size of the whole object, None where unknown."""
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if not match:
        raise ServerFailed("the server sends a part, but does not state which")
    return int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])


def _check_reach(total: int | None, start: int, size: int | None) -> None:
    if total is not None and size is not None and start + size > total:
        there = max(0, total - start)
        raise WrongLength(f"{there:,} of {size:,} bytes are there").lasting()


def _read_range(response: BaseHTTPResponse, max_bytes: int, start: int, size: int | None) -> bytes:
    first, last, total = _content_range(response.headers)
    _check_reach(total, start, size)
    if first != start or (size is not None and last >= start + size):
        raise ServerFailed("the server sends a part that was not requested")
    if size is None and total is not None and last + 1 != total:
        raise WrongLength(f"the server sends no more than {last + 1 - start:,} bytes")
    data = read_body(response, response.headers.get("Content-Length"), max_bytes)
    if len(data) != last + 1 - first:
        raise WrongLength(f"{len(data):,} bytes arrived, {last + 1 - first:,} were announced")
    return data


def _read_cut(response: BaseHTTPResponse, max_bytes: int, start: int, size: int | None) -> bytes:
    """Read a part of a response that is the whole object."""
    _check_reach(_size(response), start, size)
    left = start
    while left and (part := response.read(min(_PART, left))):
        left -= len(part)
    limit = max_bytes + 1 if size is None else size
    data = bytearray()
    while len(data) < limit and (part := response.read(min(_PART, limit - len(data)))):
        data += part
    if len(data) > max_bytes:
        raise TooLarge(f"more than {max_bytes:,} bytes, the limit")
    return bytes(data)
