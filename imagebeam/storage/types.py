"""The interface of stores, their settings, and what they report of objects."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class ObjectInfo:
    """The properties of an object that its store knows.

    Attributes:
        uri: its full name.
        size: in bytes; None where it is unknown.
        version: generation or ETag, to which a later read can be pinned; "" if there is none.
        modified: time of the last write, in seconds since the epoch; None where it is unknown.
    """

    uri: str
    size: int | None
    version: str
    modified: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class RequestHeader:
    """A header that a user adds to http(s) requests.

    Attributes:
        value: itself, or `$VARIABLE` or `@FILE`, read where the request is sent.
        host: the host, with or without a port, that receives it; "" stands for all.
    """

    name: str
    value: str
    host: str = ""


@dataclass(frozen=True)
class Settings:
    """Limits of reads, and what http(s) may reach.

    Attributes:
        seconds: wall time of one read, even while bytes keep arriving.
        attempts: number of attempts within that time.
        allow_private_hosts: whether http(s) may reach addresses that are not public.
        honour_opt_outs: whether to refuse http(s) images whose headers forbid their use.
        use_proxies: whether http(s) goes through the proxies that the environment names, which
            then choose the address; for URLs of the user's own, not for those of a manifest.
        connections_per_host: parallel http(s) requests to one host.
        user_agent: the User-Agent of http(s) requests; "" is the package's own.
        headers: further headers of http(s) requests.
        first_pause: half of the longest pause, in seconds, before the second attempt; it doubles
            from attempt to attempt.
    """

    seconds: float = 60.0
    attempts: int = 5
    allow_private_hosts: bool = False
    honour_opt_outs: bool = True
    connections_per_host: int = 8
    first_pause: float = 0.5
    use_proxies: bool = False
    user_agent: str = ""
    headers: tuple[RequestHeader, ...] = ()


class Store(Protocol):
    """Reads, lists and writes objects; one instance serves all threads of a process.

    Every failure is a `StoreError`.
    """

    def info(self, uri: str) -> ObjectInfo:
        """Return what is known of an object, without reading it."""

    def read(
        self, uri: str, max_bytes: int, start: int = 0, size: int | None = None, version: str = ""
    ) -> bytes:
        """Read a whole object, or `size` bytes from `start`.

        Args:
            max_bytes: more than this is `TooLarge`.
            start: first byte.
            size: None reads to the end.
            version: any other is `Changed`; "" accepts all.
        """

    def open(self, uri: str, version: str = "") -> io.BufferedIOBase:
        """Open an object as a seekable file that is read by ranges."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield all objects whose names start with a prefix, by name."""

    def write(self, uri: str, data: bytes, if_version: str | None = None) -> None:
        """Write a whole object, or nothing.

        Args:
            data: its bytes.
            if_version: replace only this version, or else fail with `Changed`; "" stands for no
                object, None for any.
        """

    def remove(self, uri: str) -> None:
        """Remove an object, if it is there."""


@runtime_checkable
class RedirectingStore(Protocol):
    """A store that may find an object under another address."""

    def read_redirected(self, uri: str, max_bytes: int, version: str = "") -> tuple[bytes, str]:
        """Read a whole object; return its bytes and its address, "" if that is `uri` itself."""
