"""Google Cloud Storage."""

import base64
import functools
import mimetypes
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

import google.auth
import google_crc32c
import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth import compute_engine
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.auth.transport.requests import AuthorizedSession
from google.auth.transport.requests import Request as AuthRequest
from google.cloud.storage import Blob, Client
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, IncompleteRead
from urllib3.exceptions import TimeoutError as PoolTimeoutError

from stores.attempts import persist
from stores.connections import CONNECTIONS, timed_pools
from stores.deadline import timeouts
from stores.errors import (
    Changed,
    ConnectionFailed,
    Denied,
    Missing,
    NoCredentials,
    StoreError,
    TimedOut,
    TooLarge,
    WrongChecksum,
    WrongLength,
)
from stores.names import split_name, split_prefix
from stores.ranged import RangedFile
from stores.records import ObjectInfo, Settings
from stores.responses import decoded, error_of, read_body

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_FIELDS = "items(name,size,generation),nextPageToken"

_TEXT = 2000

_LOOKING_SECONDS = 4.0
"""That the metadata server has to answer: where there is one, it takes milliseconds."""

_LOOKED = (
    f"no credentials for Google Cloud were found, and it is not public; looked at {_KEY_FILE}, "
    "gcloud's application_default_credentials.json and the metadata server. "
    "Run `gcloud auth application-default login`"
)

_CRC32C = re.compile(r"crc32c=([\w+/]+=*)")

T = TypeVar("T")

_Page: TypeAlias = tuple[list[ObjectInfo], str | None]


@dataclass(frozen=True)
class _Connection:
    client: Client
    session: requests.Session
    anonymous: bool


class GcsStore:
    """Objects of Google Cloud Storage; the version of one is its generation.

    Credentials are found as Google's libraries find them. Without any, what is public can be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connecting = threading.Lock()
        self._connected: _Connection | None = None

    def info(self, uri: str) -> ObjectInfo:
        """Look at an object."""

        def look() -> ObjectInfo:
            blob = self._blob(uri)
            blob.reload(timeout=timeouts(), retry=None)
            return _info(blob)

        return self._persist(look)

    def read(
        self, uri: str, max_bytes: int, start: int = 0, size: int | None = None, version: str = ""
    ) -> bytes:
        """Read an object or a part of it, with one request.

        Read whole, it is unpacked where its Content-Encoding says that it is stored as gzip.
        """
        if size == 0:
            self.open(uri, version).close()
            return b""
        if size is not None and size > max_bytes:
            raise TooLarge(f"{size:,} bytes, over the limit of {max_bytes:,}")
        data = self._persist(lambda: self._read(uri, max_bytes, start, size, version))
        if size is not None and len(data) != size:
            raise WrongLength(f"{len(data):,} of {size:,} bytes are there")
        return data

    def open(self, uri: str, version: str = "") -> RangedFile:
        """Open an object."""
        info = self.info(uri)
        _check_version(info.version, version)
        return RangedFile(self, info)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose names start with a prefix, by name; each page is a request."""
        bucket, start = split_prefix(prefix)
        token: str | None = None
        while True:
            page, token = self._persist(functools.partial(self._page, bucket, start, token))
            yield from page
            if token is None:
                return

    def write(self, uri: str, data: bytes, if_version: str | None = None) -> None:
        """Write an object."""
        tries = 0

        def upload() -> None:
            nonlocal tries
            tries += 1
            blob = self._blob(uri)
            blob.upload_from_string(
                data,
                mimetypes.guess_type(blob.name)[0] or "application/octet-stream",
                if_generation_match=_generation(if_version),
                checksum="crc32c",
                timeout=timeouts(),
                retry=None,
            )

        try:
            self._persist(upload, len(data))
        except Changed:
            # A try whose answer was lost may have been the one that wrote it.
            if tries == 1 or not self._holds(uri, data):
                raise

    def remove(self, uri: str) -> None:
        """Remove an object."""
        try:
            self._persist(lambda: self._blob(uri).delete(timeout=timeouts(), retry=None))
        except Missing:
            return

    def _persist(self, action: Callable[[], T], uploads: int = 0) -> T:
        def once() -> T:
            try:
                with _mapped():
                    return action()
            except Denied:
                if self._connected and self._connected.anonymous:
                    raise NoCredentials(_LOOKED) from None
                raise

        return persist(self._settings, once, uploads)

    def _blob(self, uri: str) -> Blob:
        bucket, name = _split(uri)
        return self._connection().client.bucket(bucket).blob(name)

    def _page(self, bucket: str, start: str, token: str | None) -> _Page:
        found = self._connection().client.list_blobs(
            _checked(bucket),
            prefix=start or None,
            page_token=token,
            fields=_FIELDS,
            timeout=timeouts(),
            retry=None,
        )
        return [_info(blob) for blob in next(found.pages)], found.next_page_token

    def _holds(self, uri: str, data: bytes) -> bool:
        def look() -> bool:
            blob = self._blob(uri)
            blob.reload(timeout=timeouts(), retry=None)
            return bool(blob.crc32c == _checksum(data) and blob.size == len(data))

        return self._persist(look)

    def _read(self, uri: str, max_bytes: int, start: int, size: int | None, version: str) -> bytes:
        """Read by an own request.

        The client library's download cannot be told how much is too much, asks for what it then
        checks with a second request, and counts its time anew with every byte.
        """
        bucket, name = _split(uri)
        connection = self._connection()
        path = f"/download/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
        whole = start == 0 and size is None
        with connection.session.get(
            connection.client.api_endpoint + path,
            params={"alt": "media"} | ({"ifGenerationMatch": version} if version else {}),
            # As it is stored, which is what its checksum is of.
            headers={"Accept-Encoding": "gzip"} | ({} if whole else {"Range": _range(start, size)}),
            timeout=timeouts(),
            stream=True,
        ) as response:
            if response.status_code == 416:
                return b""
            if response.status_code != (200 if whole else 206):
                raise _error_of(response.status_code, str(response.raw.read(_TEXT, True)))
            headers = response.headers
            _check_version(headers.get("x-goog-generation", version), version)
            data = read_body(response.raw, headers.get("Content-Length"), max_bytes)
        if not whole:
            return data
        stored = _CRC32C.search(headers.get("x-goog-hash", ""))
        if stored and stored[1] != _checksum(data):
            raise WrongChecksum("the bytes are not those that were stored (CRC32C)")
        return decoded(data, headers.get("Content-Encoding"), max_bytes)

    def _connection(self) -> _Connection:
        # One thread makes it, and the others wait for it.
        with self._connecting:
            if self._connected is None:
                self._connected = _connect()
            return self._connected


def _connect() -> _Connection:
    session = requests.Session()
    anonymous = False
    if "STORAGE_EMULATOR_HOST" not in os.environ:
        credentials = _credentials()
        anonymous = credentials is None
        if credentials is not None:
            session = AuthorizedSession(credentials)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _TimedAdapter(pool_maxsize=CONNECTIONS))
    # The session signs, or nobody does.
    client = Client("none", AnonymousCredentials(), _http=session)
    return _Connection(client, session, anonymous)


def _credentials() -> Any | None:
    asking = _Impatient()
    try:
        credentials, _ = google.auth.default([_SCOPE], asking)
        if isinstance(credentials, compute_engine.Credentials):
            # Some machines look like Google's and have no metadata server.
            credentials.refresh(asking)
    except DefaultCredentialsError:
        if _KEY_FILE in os.environ:
            raise NoCredentials(f"{_KEY_FILE} names no file with credentials") from None
        return None
    return credentials


class _Impatient(AuthRequest):  # type: ignore[misc]
    """Asks for credentials, and stops the library's own tries when they have taken long enough."""

    def __init__(self) -> None:
        super().__init__()
        self._end = time.monotonic() + _LOOKING_SECONDS

    def __call__(self, *args: Any, timeout: float = _LOOKING_SECONDS, **kwargs: Any) -> Any:
        left = self._end - time.monotonic()
        try:
            return super().__call__(*args, timeout=min(timeout, max(left, 0.1)), **kwargs)
        except TransportError as error:
            if time.monotonic() < self._end:
                raise
            raise DefaultCredentialsError("the metadata server does not answer") from error


class _TimedAdapter(HTTPAdapter):  # type: ignore[misc]
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


_POOLS = timed_pools(HTTPConnectionPool, HTTPSConnectionPool)


def _split(uri: str) -> tuple[str, str]:
    bucket, name = split_name(uri)
    return _checked(bucket), name


def _checked(bucket: str) -> str:
    # The client library puts it into addresses as it is.
    if not _BUCKET.fullmatch(bucket):
        raise Missing("no bucket can have such a name")
    return bucket


def _info(blob: Blob) -> ObjectInfo:
    return ObjectInfo(f"gs://{blob.bucket.name}/{blob.name}", blob.size, str(blob.generation))


def _generation(version: str | None) -> int | None:
    if not version:
        return None if version is None else 0
    if not version.isdecimal():
        raise Changed("it never had the version that was asked for")
    return int(version)


def _check_version(there: str, wanted: str) -> None:
    if wanted and there != wanted:
        raise error_of(412)


def _range(start: int, size: int | None) -> str:
    return f"bytes={start}-" if size is None else f"bytes={start}-{start + size - 1}"


def _checksum(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def _error_of(status: int, text: str) -> StoreError:
    if status == 404 and "bucket does not exist" in text:
        return Missing("there is no such bucket")
    if status == 404 and "No such object" in text:
        return Missing("there is no such object")
    return error_of(status)


@contextmanager
def _mapped() -> Iterator[None]:
    """Errors of the libraries hold addresses, so none goes on."""
    try:
        yield
    except GoogleAPICallError as error:
        raise _error_of(error.code or 0, str(error)) from None
    except GoogleAuthError as error:
        if isinstance(error, TransportError):
            raise ConnectionFailed("Google's server for credentials cannot be reached") from None
        raise Denied("the credentials that were found are not valid; renew them") from None
    except (requests.Timeout, PoolTimeoutError, TimeoutError):
        raise TimedOut("no answer in time") from None
    except IncompleteRead as error:
        raise WrongLength(f"{error.partial:,} bytes, {error.expected:,} are missing") from None
    except (requests.RequestException, HTTPError, OSError):
        raise ConnectionFailed("the server cannot be reached, or hangs up") from None
