"""The common part of bucket stores: attempts, deadlines, versions and byte ranges."""

import io
import mimetypes
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Generic, TypeAlias, TypeVar

from imagebeam.storage.errors import (
    Changed,
    Denied,
    Missing,
    NoCredentials,
    NotAnObject,
    TooLarge,
    WrongLength,
)
from imagebeam.storage.http.content_codings import decoded
from imagebeam.storage.http.responses import check_version
from imagebeam.storage.ranged import BUFFER, RangedFile
from imagebeam.storage.retry import retry
from imagebeam.storage.types import ObjectInfo, Settings

Page: TypeAlias = tuple[list[ObjectInfo], str | None]
"""Some objects of a listing, and the token of the next page, if there is one."""

Content: TypeAlias = tuple[bytes, str | None]
"""Bytes as they are stored, with their Content-Encoding."""

Client = TypeVar("Client")
T = TypeVar("T")


class BucketStore(ABC, Generic[Client]):
    """A store in a bucket. Abstract methods make one request; public methods repeat them.

    Attributes:
        no_credentials: where credentials were looked for without success; "" where some were
            found. Without credentials requests are anonymous, which suffices for public objects.
    """

    def __init__(self, settings: Settings) -> None:
        self.no_credentials = ""
        self._settings = settings
        self._connecting = threading.Lock()
        self._connected: Client | None = None

    def info(self, uri: str) -> ObjectInfo:
        """Return what is known of an object."""
        bucket, name = split_name(uri)
        return self._retry(lambda: self._look(bucket, name))

    def read(
        self, uri: str, max_bytes: int, start: int = 0, size: int | None = None, version: str = ""
    ) -> bytes:
        """Read an object or a byte range of it, with one request.

        A whole object that is stored with Content-Encoding gzip is decompressed.
        """
        bucket, name = split_name(uri)
        if size == 0:
            self.open(uri, version).close()
            return b""
        if size is not None and size > max_bytes:
            raise TooLarge(f"{size:,} bytes, over the limit of {max_bytes:,}")
        is_whole = start == 0 and size is None
        part = "" if is_whole else f"bytes={start}-{'' if size is None else start + size - 1}"
        data, encoding = self._retry(lambda: self._read(bucket, name, max_bytes, part, version))
        if size is not None and len(data) != size:
            raise WrongLength(f"{len(data):,} of {size:,} bytes are there")
        return data if part else decoded(data, encoding, max_bytes)

    def open(self, uri: str, version: str = "") -> io.BufferedReader:
        """Open an object as a file."""
        info = self.info(uri)
        check_version(info.version, version)
        return io.BufferedReader(RangedFile(self, info), BUFFER)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield all objects whose names start with a prefix, by name."""
        bucket, start = split_prefix(prefix)
        token: str | None = ""
        while token is not None:
            current = token
            page, token = self._retry(lambda: self._page(bucket, start, current))  # noqa: B023
            yield from page

    def write(self, uri: str, data: bytes, if_version: str | None = None) -> None:
        """Write an object."""
        bucket, name = split_name(uri)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        attempts = 0

        def write() -> None:
            nonlocal attempts
            attempts += 1
            self._write(bucket, name, data, kind, if_version)

        try:
            self._retry(write, len(data))
        except Changed:
            # An attempt whose response was lost may have changed it.
            if attempts == 1 or not self._holds(uri, data):
                raise

    def remove(self, uri: str) -> None:
        """Remove an object."""
        bucket, name = split_name(uri)
        try:
            self._retry(lambda: self._remove(bucket, name))
        except Missing:
            return

    @abstractmethod
    def _connect(self) -> Client:
        """Make the client; called once per store."""

    @abstractmethod
    def _translate_errors(self) -> AbstractContextManager[None]:
        """Turn the client's errors into StoreErrors, without their texts, which hold URLs."""

    @abstractmethod
    def _look(self, bucket: str, name: str) -> ObjectInfo: ...

    @abstractmethod
    def _read(self, bucket: str, name: str, max_bytes: int, part: str, version: str) -> Content:
        """Read `part`, a Range header's value, or all; b"" where it starts past the end."""

    @abstractmethod
    def _page(self, bucket: str, start: str, token: str) -> Page: ...

    @abstractmethod
    def _write(
        self, bucket: str, name: str, data: bytes, kind: str, if_version: str | None
    ) -> None: ...

    @abstractmethod
    def _remove(self, bucket: str, name: str) -> None: ...

    @property
    def _client(self) -> Client:
        # One thread makes the client while the others wait.
        with self._connecting:
            if self._connected is None:
                self._connected = self._connect()
            return self._connected

    def _retry(self, action: Callable[[], T], upload_bytes: int = 0) -> T:
        def once() -> T:
            try:
                with self._translate_errors():
                    return action()
            except Denied:
                if self.no_credentials:
                    raise NoCredentials(self.no_credentials) from None
                raise

        return retry(self._settings, once, upload_bytes)

    def _holds(self, uri: str, data: bytes) -> bool:
        try:
            return self.read(uri, len(data)) == data
        except TooLarge:
            return False


def split_name(uri: str) -> tuple[str, str]:
    """Return bucket and name of an object, neither of them unquoted or normalised.

    Raises:
        NotAnObject: the URI names only a bucket.
        Missing: it names no bucket, or its text cannot be a name.
    """
    bucket, name = split_prefix(uri)
    if not name:
        raise NotAnObject("a bucket, not an object in it")
    return bucket, name


def split_prefix(uri: str) -> tuple[str, str]:
    """Return bucket and prefix of object names; the prefix may be empty.

    Raises:
        Missing: the URI names no bucket, or its text cannot be a name.
    """
    bucket, _, name = uri.partition("://")[2].partition("/")
    if not bucket:
        raise Missing("names no bucket")
    if not _is_text(name):
        raise Missing("no object has such a name, which is not UTF-8")
    return bucket, name


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
