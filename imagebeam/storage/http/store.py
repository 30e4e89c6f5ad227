"""Objects behind http:// and https:// URLs."""

import base64
import functools
import io
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of_package
from typing import Any, NoReturn, TypeVar, cast
from urllib.parse import unquote, urljoin
from urllib.request import Request

from urllib3 import HTTPHeaderDict
from urllib3.exceptions import LocationParseError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Url, parse_url

from imagebeam.storage.errors import (
    Changed,
    Denied,
    Missing,
    ServerFailed,
    StoreError,
    TooLarge,
    TooManyRedirects,
    Unsupported,
    WrongLength,
)
from imagebeam.storage.http.forward import ForwardFile
from imagebeam.storage.http.own_headers import own_headers
from imagebeam.storage.http.pools import WebHosts, translate_errors
from imagebeam.storage.http.responses import (
    PROGRAM,
    check_opt_out,
    content_codings,
    decoded,
    error_of,
    read_body,
    verify_checksums,
)
from imagebeam.storage.ranged import RangedFile
from imagebeam.storage.retry import retry
from imagebeam.storage.types import ObjectInfo, Settings

_PORTS = {"http": 80, "https": 443}

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)

_NO_HEAD = (403, 405, 501)
"""With these statuses a server may refuse the method, not the object."""

_BUSY = (429, 503)

_PART = 1 << 20
_SMALL = 64 << 10

# Other values, such as `utf-8`, are mistakes of the server and do not affect the bytes.
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")

T = TypeVar("T")


class HttpStore:
    """Objects of web servers. An object's version is its strong ETag, else its Last-Modified.

    URLs are not trusted: `pools` connects to public hosts only, and each redirect is checked like
    the first URL. Checksums in the headers are compared where a whole object is read, and the
    owner's `X-Robots-Tag` is obeyed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hosts = WebHosts(settings)

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
            return self._retry(lambda: self._read_whole(uri, max_bytes, version))
        return self._retry(lambda: self._read_part(uri, max_bytes, start, size, version))

    def open(self, uri: str, version: str = "") -> io.BufferedReader:
        """Open an object, by ranges where the server has them, else from its start."""
        info, by_range = self._retry(lambda: self._probe(uri, version))
        if by_range:
            return RangedFile(self, info)
        return ForwardFile(
            lambda: self._stream(uri, info.version), self._retry, info.size, self._settings
        )

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
        with self._request(uri, "HEAD", expected=(200, *_NO_HEAD)) as response:
            _drain(response)
            if response.status == 200:
                return ObjectInfo(uri, _size(response), _version(response.headers))
        return self._probe(uri, "")[0]

    def _probe(self, uri: str, version: str) -> tuple[ObjectInfo, bool]:
        """Return what the first byte's response tells, and whether the server has ranges."""
        headers = {"Range": "bytes=0-0"}
        with self._request(uri, headers=headers, version=version, expected=(200, 206, 416)) as got:
            by_range, size = got.status != 200, _size(got)
            if got.status == 206:
                _check_encoding(got.headers)
                total = _content_range(got.headers)[2]
                by_range, size = total is not None, total
            elif got.status == 416:
                size = 0
            _drain(got)
            return ObjectInfo(uri, size, _version(got.headers)), by_range

    def _read_whole(self, uri: str, max_bytes: int, version: str) -> bytes:
        with self._request(uri, version=version) as response:
            data = read_body(response, response.headers.get("Content-Length"), max_bytes)
            verify_checksums(response.headers, data)
            return decoded(data, response.headers.get("Content-Encoding"), max_bytes)

    def _read_part(
        self, uri: str, max_bytes: int, start: int, size: int | None, version: str
    ) -> bytes:
        headers = {"Range": f"bytes={start}-{'' if size is None else start + size - 1}"}
        with self._request(
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
        with self._request(uri, version=version) as response:
            _check_encoding(response.headers)
            yield _Stream(response)

    @contextmanager
    def _request(
        self,
        uri: str,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        version: str = "",
        expected: tuple[int, ...] = (200,),
    ) -> Iterator[BaseHTTPResponse]:
        """Yield the response at the end of all redirects."""
        url = _parse(uri)
        origin = _origin(url)
        sent = self._headers(url, version) | (headers or {})
        cookies = _Cookies()
        for _ in range(_MOST_REDIRECTS + 1):
            own = {**sent, **own_headers(self._settings.headers, url), **cookies.header(url)}
            with self._hosts.request(method, url, own) as response:
                if (location := _location(response)) is None:
                    self._check(response, url, version, expected)
                    yield response
                    return
                cookies.keep(response, url)
                _drain(response)
            url = _redirected(url, location)
            if _origin(url) != origin:
                sent.pop("Authorization", None)
        raise TooManyRedirects(f"more than {_MOST_REDIRECTS} redirects, one after the other")

    def _headers(self, url: Url, version: str) -> dict[str, str]:
        headers = {
            "User-Agent": self._settings.user_agent or _user_agent(),
            "Accept": "*/*",
            # A compressed response has no known size and no ranges.
            "Accept-Encoding": "identity",
        }
        if url.auth:
            encoded = base64.b64encode(unquote(url.auth).encode()).decode()
            headers["Authorization"] = f"Basic {encoded}"
        if version:
            headers["If-Match" if version.startswith('"') else "If-Unmodified-Since"] = version
        return headers

    def _check(
        self, response: BaseHTTPResponse, url: Url, version: str, expected: tuple[int, ...]
    ) -> None:
        if response.status not in expected:
            _drain(response)
            if response.status in _BUSY and (seconds := _retry_after(response.headers)):
                self._hosts.back_off(url, seconds)
            raise _error(response.status)
        if self._settings.honour_opt_outs:
            check_opt_out(response.headers.getlist("X-Robots-Tag"))
        if version and response.status < 300 and _version(response.headers) != version:
            raise Changed("it is not the version any more that was asked for")


class _Stream:
    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response

    def read(self, amt: int, /) -> bytes:
        with translate_errors():
            return self._response.read(amt)


def _refuse_writing() -> NoReturn:
    raise Unsupported("http(s):// cannot be written; use a local, gs:// or s3:// name")


def _parse(uri: str) -> Url:
    try:
        url = parse_url(uri)
    except LocationParseError:
        raise Unsupported("it is no URL: its host or port makes no sense") from None
    if url.scheme is None or url.scheme not in _PORTS:
        raise Unsupported("it is neither http:// nor https://")
    if not url.host:
        raise Unsupported("it is no URL: it names no host")
    return url._replace(port=url.port or _PORTS[url.scheme])


def _origin(url: Url) -> tuple[str | None, str | None, int | None]:
    return url.scheme, url.host, url.port


def _location(response: BaseHTTPResponse) -> str | None:
    """Return the target of a redirect; None for any other response."""
    return response.headers.get("Location") if response.status in _REDIRECTS else None


def _redirected(url: Url, location: str) -> Url:
    # Headers are read as Latin-1, but URLs in them are UTF-8.
    text = location.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        target = _parse(urljoin(url._replace(auth=None).url, text))
    except (ValueError, Unsupported) as error:
        reason = error if isinstance(error, Unsupported) else "it is no URL"
        raise Unsupported(f"it redirects to what cannot be read: {reason}") from None
    if (url.scheme, target.scheme) == ("https", "http"):
        raise Unsupported("it redirects from https:// to http://, where everybody could read along")
    return target


class _Cookies:
    """The cookies that redirects set, kept for one read: some servers redirect until they see one.

    They go back to the hosts that set them only.
    """

    def __init__(self) -> None:
        self._jar: CookieJar | None = None

    def keep(self, response: BaseHTTPResponse, url: Url) -> None:
        """Remember the cookies of a response to a request for `url`."""
        if "Set-Cookie" in response.headers:
            self._jar = self._jar or CookieJar()
            message = Message()
            for value in response.headers.getlist("Set-Cookie"):
                message["Set-Cookie"] = value
            self._jar.extract_cookies(cast(Any, _HasHeaders(message)), Request(_bare(url)))

    def header(self, url: Url) -> dict[str, str]:
        """Return the header with the cookies for `url`, if there are any."""
        if self._jar is None:
            return {}
        request = Request(_bare(url))
        self._jar.add_cookie_header(request)
        cookie = request.get_header("Cookie")
        return {"Cookie": cookie} if cookie else {}


@dataclass(frozen=True)
class _HasHeaders:
    headers: Message

    def info(self) -> Message:
        return self.headers


def _bare(url: Url) -> str:
    return url._replace(auth=None, fragment=None).url


@functools.cache
def _user_agent() -> str:
    try:
        version = version_of_package(PROGRAM)
    except PackageNotFoundError:
        version = "0"
    return f"{PROGRAM}/{version} (+https://pypi.org/project/{PROGRAM}/)"


def _version(headers: HTTPHeaderDict) -> str:
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _error(status: int) -> StoreError:
    match status:
        case _ if status < 400:
            return error_of(status).lasting()
        case 404 | 410:
            return Missing(f"nothing is there (status {status})")
        case 401 | 403 | 408 | 412 | 425 | 429:
            return error_of(status)
        case _ if 400 <= status < 500:
            return Denied(f"the server refuses the request (status {status})")
        case _:
            return error_of(status)


def _retry_after(headers: HTTPHeaderDict) -> float | None:
    """Return the seconds that the server asks to wait: a number, or until a date."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _coding(headers: HTTPHeaderDict) -> str:
    """Return how the body is compressed; "" where it is not."""
    return ", ".join(content_codings(headers.get("Content-Encoding")))


def _check_encoding(headers: HTTPHeaderDict) -> None:
    if coding := _coding(headers):
        raise Unsupported(f"the server compresses it as {coding}, so it cannot be read in parts")


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
        raise ServerFailed("the server sends another part than was asked for")
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


def _drain(response: BaseHTTPResponse) -> None:
    """Read the rest of a small body, so that its connection can be used again."""
    if response.length_remaining is not None and response.length_remaining < _SMALL:
        with suppress(StoreError), translate_errors():
            response.read()
