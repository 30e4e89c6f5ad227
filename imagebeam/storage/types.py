"""What stores are told and what they tell."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class ObjectInfo:
    """One object, as a listing or a look at it tells.

    Attributes:
        uri: its full name.
        size: bytes; None where the server does not say.
        version: generation or ETag, to which a later read can be pinned; "" where there is none.
        modified: when it was written, in seconds since the epoch; None where nobody says.
    """

    uri: str
    size: int | None
    version: str
    modified: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Settings:
    """How patient and how trusting reads are.

    Attributes:
        seconds: wall time of one read, however much trickles in meanwhile.
        attempts: tries in all, within that time.
        allow_private_hosts: whether http(s) may reach addresses that are not public.
        honour_opt_outs: whether http(s) images are left alone whose headers forbid their use.
        use_proxies: whether http(s) goes through the proxies that the environment names, which
            then choose the address; for URLs of the user's own, not for those of a manifest.
        connections_per_host: http(s) requests to one host at once.
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


class Store(Protocol):
    """Where objects are; one serves all threads of a process.

    Whatever goes wrong is a `StoreError`.
    """

    def info(self, uri: str) -> ObjectInfo:
        """Look at an object without reading it."""

    def read(
        self, uri: str, max_bytes: int, start: int = 0, size: int | None = None, version: str = ""
    ) -> bytes:
        """Read an object whole, or `size` bytes from `start`.

        Args:
            uri: of the object.
            max_bytes: more than this is `TooLarge`.
            start: first byte.
            size: None reads to the end.
            version: any other is `Changed`; "" takes what there is.
        """

    def open(self, uri: str, version: str = "") -> io.BufferedIOBase:
        """Open an object as a file that can be read and sought in, by ranges."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose names start with a prefix, by name."""

    def write(self, uri: str, data: bytes, if_version: str | None = None) -> None:
        """Write an object, whole or not at all.

        Args:
            uri: of the object.
            data: its bytes.
            if_version: replaces only this one, or else is `Changed`; "" stands for none there.
        """

    def remove(self, uri: str) -> None:
        """Remove an object; one that is not there is fine."""
