"""Connections to the hosts of untrusted URLs.

Each host has a pool of connections that are kept open. A connection goes to the very address that
`addresses` checked, so that a DNS answer that changes between check and use gains nothing; TLS
still proves the host's name. All waits, also for a free connection, end at the thread's deadline.
Proxies are ignored unless the settings say otherwise, because they would choose the address;
.netrc always is, because it would send passwords to hosts that a manifest names.
"""

import functools
import socket
import ssl
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import getproxies, proxy_bypass

from urllib3 import ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import BaseHTTPResponse
from urllib3.util import Url

from imagebeam.storage.errors import Throttled
from imagebeam.storage.http import addresses
from imagebeam.storage.http.connection_errors import translate_errors
from imagebeam.storage.http.connections import (
    CONNECT_SECONDS,
    ExactResponse,
    TimedConnection,
    longest_wait,
    seconds_left,
    timed_pools,
)
from imagebeam.storage.http.log_filters import keep_queries_out_of_logs
from imagebeam.storage.types import Settings

_KEPT_HOSTS = 256

_LONGEST_BACK_OFF = 10.0
"""Seconds."""


class _Connection(TimedConnection, HTTPConnection):
    response_kind = ExactResponse

    def __init__(self, host: str, *args: Any, resolve: addresses.Resolve, **kwargs: Any) -> None:
        super().__init__(host, *args, **kwargs)
        self._name = host.strip("[]")
        self._resolve = resolve

    def _new_conn(self) -> socket.socket:
        resolved = self._resolve(self._name, self.port)
        failure: OSError = OSError("the host has no address")
        for tried, (family, address) in enumerate(resolved):
            try:
                return _connect(family, address, len(resolved) - tried)
            except OSError as error:
                failure = error
        raise failure


class _TlsConnection(_Connection, HTTPSConnection):
    pass


def _connect(
    family: socket.AddressFamily, address: addresses.SocketAddress, shares: int
) -> socket.socket:
    # An address that drops packets must leave time for the next one.
    left = seconds_left()
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(
            CONNECT_SECONDS if left is None else min(CONNECT_SECONDS, left / shares)
        )
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect(address)
        # Each send and receive sets its own limit; only the TLS handshake does not.
        connection.settimeout(longest_wait())
    except OSError:
        connection.close()
        raise
    return connection


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_PROXY_POOLS = timed_pools(HTTPConnectionPool, HTTPSConnectionPool)


@dataclass
class _Host:
    """The connections to one host.

    Attributes:
        pool: the pool of the host, or of the proxy on the way to it.
        wants_whole_urls: whether that is a proxy for http://, without a tunnel.
        backed_off_until: monotonic time before which the host wants no requests.
    """

    pool: HTTPConnectionPool
    wants_whole_urls: bool = False
    backed_off_until: float = 0.0


def _proxy_for(url: Url) -> str | None:
    if proxy_bypass(f"{url.host}:{url.port}"):
        return None
    return getproxies().get(url.scheme or "")


class WebHosts:
    """The pools of all hosts that one store connects to."""

    def __init__(
        self,
        settings: Settings,
        kept_hosts: int = _KEPT_HOSTS,
        look_up: addresses.LookUp = addresses.look_up,
        check: addresses.Check = addresses.check,
        longest_back_off: float = _LONGEST_BACK_OFF,
    ) -> None:
        """Connect to nothing yet.

        Args:
            kept_hosts: hosts with open connections; of more, those used longest ago are closed.
            look_up: returns the addresses of a host.
            check: refuses addresses that are not public.
            longest_back_off: seconds that one answer can stop all requests to its host, which may
                serve files of many owners.
        """
        keep_queries_out_of_logs()
        self._settings = settings
        self._kept_hosts = kept_hosts
        self._longest_back_off = longest_back_off
        self._resolve = addresses.resolver(settings.allow_private_hosts, look_up, check)
        self._lock = threading.Lock()
        self._hosts: OrderedDict[tuple[str | None, str | None, int | None], _Host] = OrderedDict()
        self._close = weakref.finalize(self, _close_all, self._hosts)

    @contextmanager
    def request(
        self, method: str, url: Url, headers: Mapping[str, str]
    ) -> Iterator[BaseHTTPResponse]:
        """Yield the response to one request, of any status, before its body is read.

        A body that is not read to its end inside costs the connection.

        Raises:
            StoreError: there is no response, or its body breaks off.
        """
        host = self._host(url)
        if (seconds := host.backed_off_until - time.monotonic()) > 0:
            _check_time(seconds)
            time.sleep(seconds)
        with translate_errors():
            response = host.pool.urlopen(
                method,
                url.url if host.wants_whole_urls else url.request_uri,
                headers=dict(headers),
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=longest_wait(),
                pool_timeout=seconds_left(),  # type: ignore[arg-type]
                preload_content=False,
                decode_content=False,
            )
            try:
                yield response
            finally:
                response.close()
                response.release_conn()

    def back_off(self, url: Url, seconds: float) -> None:
        """Send no requests to the host of a URL for a time; raise StoreError if it is too long."""
        pause = min(seconds, self._longest_back_off)
        self._host(url).backed_off_until = time.monotonic() + pause
        _check_time(seconds)

    def _host(self, url: Url) -> _Host:
        key = (url.scheme, url.host, url.port)
        with self._lock:
            if key not in self._hosts:
                self._hosts[key] = self._new_host(url)
                if len(self._hosts) > self._kept_hosts:
                    self._hosts.popitem(last=False)[1].pool.close()
            self._hosts.move_to_end(key)
            return self._hosts[key]

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def _new_host(self, url: Url) -> _Host:
        name = url.host or ""
        kwargs: dict[str, Any] = {"maxsize": self._settings.connections_per_host, "block": True}
        if self._settings.use_proxies and (proxy := _proxy_for(url)):
            manager = ProxyManager(proxy, ssl_context=self._tls, **kwargs)
            manager.pool_classes_by_scheme = _PROXY_POOLS
            pool = manager.connection_from_host(name, url.port, url.scheme)
            return _Host(pool, wants_whole_urls=url.scheme == "http")
        kwargs["resolve"] = self._resolve
        if url.scheme == "https":
            return _Host(_TlsPool(name, url.port, ssl_context=self._tls, **kwargs))
        return _Host(_Pool(name, url.port, **kwargs))


def _close_all(hosts: OrderedDict[Any, _Host]) -> None:
    for host in hosts.values():
        host.pool.close()


def _check_time(seconds: float) -> None:
    with translate_errors():
        left = seconds_left()
    if left is not None and seconds >= left:
        text = "the server asks for a pause that is longer than the time left"
        raise Throttled(text).lasting()
