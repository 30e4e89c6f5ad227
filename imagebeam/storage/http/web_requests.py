"""One request to a web server: its headers, its redirects, and what its status means."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.parse import unquote, urljoin
from urllib.request import Request

from urllib3 import HTTPHeaderDict
from urllib3.exceptions import InvalidHeader, LocationParseError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry, Url, parse_url

from imagebeam.storage.errors import Changed, Missing, StoreError, TooManyRedirects, Unsupported
from imagebeam.storage.http.connection_errors import translate_errors
from imagebeam.storage.http.own_headers import own_headers
from imagebeam.storage.http.pools import WebHosts
from imagebeam.storage.http.responses import PROGRAM, check_opt_out, error_of
from imagebeam.storage.types import Settings
from imagebeam.version import __version__

_PORTS = {"http": 80, "https": 443}

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)

_BUSY = (429, 503)

_SMALL = 64 << 10

_USER_AGENT = f"{PROGRAM}/{__version__} (+https://pypi.org/project/{PROGRAM}/)"


class WebRequests:
    """Sends requests, and follows redirects as far as each is allowed like the first URL."""

    def __init__(self, settings: Settings, hosts: WebHosts) -> None:
        self._settings = settings
        self._hosts = hosts

    @contextmanager
    def response(
        self,
        uri: str,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        version: str = "",
        expected: tuple[int, ...] = (200,),
        redirects: list[str] | None = None,
    ) -> Iterator[BaseHTTPResponse]:
        """Yield the response at the end of all redirects; add their addresses to `redirects`."""
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
                drain(response)
            url = _redirected(url, location)
            if redirects is not None:
                redirects.append(_bare(url))
            if _origin(url) != origin:
                sent.pop("Authorization", None)
        raise TooManyRedirects(f"more than {_MOST_REDIRECTS} redirects, one after the other")

    def _headers(self, url: Url, version: str) -> dict[str, str]:
        headers = {
            "User-Agent": self._settings.user_agent or _USER_AGENT,
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
            drain(response)
            error = _error(response.status)
            if response.status in _BUSY and (seconds := _retry_after(response.headers)):
                self._hosts.back_off(url, seconds)
                error.pause = seconds
            raise error
        if self._settings.honour_opt_outs:
            check_opt_out(response.headers.getlist("X-Robots-Tag"))
        if version and response.status < 300 and version_of(response.headers) != version:
            raise Changed("it no longer has the requested version")


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
        raise Unsupported(
            "it redirects from https:// to http://, where others could read the request"
        )
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
    port = None if url.port == _PORTS.get(url.scheme or "") else url.port
    return url._replace(auth=None, fragment=None, port=port).url


def version_of(headers: HTTPHeaderDict) -> str:
    """Return the version of an object: its strong ETag, or else the time of its last change."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _error(status: int) -> StoreError:
    if status in (404, 410):
        return Missing(f"nothing is there (status {status})")
    error = error_of(status)
    return error.lasting() if status < 400 else error


def _retry_after(headers: HTTPHeaderDict) -> float | None:
    """Return the seconds that the server asks to wait: a number, or until a date."""
    try:
        return Retry().parse_retry_after(headers.get("Retry-After", ""))
    except (InvalidHeader, ValueError, OverflowError):
        return None


def drain(response: BaseHTTPResponse) -> None:
    """Read the rest of a small body, so that its connection can be used again."""
    if response.length_remaining is not None and response.length_remaining < _SMALL:
        with suppress(StoreError), translate_errors():
            response.read()
