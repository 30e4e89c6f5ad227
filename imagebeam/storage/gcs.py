"""Google Cloud Storage."""

import base64
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import google_crc32c
import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Blob, Client
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from imagebeam.storage.buckets import BucketStore, Content, Page
from imagebeam.storage.errors import (
    Changed,
    ConnectionFailed,
    Denied,
    Missing,
    StoreError,
    WrongChecksum,
)
from imagebeam.storage.google_credentials import KEY_FILE, find_credentials
from imagebeam.storage.http.connection_errors import translate_error
from imagebeam.storage.http.connections import CONNECTIONS, timed_pools, timeouts
from imagebeam.storage.http.responses import check_version, error_of, read_body
from imagebeam.storage.types import ObjectInfo, Settings

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_FIELDS = "items(name,size,generation,updated),nextPageToken"
_CRC32C = re.compile(r"crc32c=([\w+/]+=*)")
_LONGEST_REASON = 2000

_NO_CREDENTIALS = (
    f"no credentials for Google Cloud were found, and it is not public; looked at {KEY_FILE}, "
    "gcloud's application_default_credentials.json and the metadata server. "
    "Run `gcloud auth application-default login`"
)


@dataclass(frozen=True)
class _Connection:
    client: Client
    session: requests.Session


class GcsStore(BucketStore[_Connection]):
    """Objects of Google Cloud Storage. An object's version is its generation.

    Credentials are found as Google's libraries find them. Without any, public objects can be read.
    """

    def __init__(self, settings: Settings, metadata_seconds: float = 4.0) -> None:
        """Make the store without connecting.

        Args:
            settings: limits of each operation.
            metadata_seconds: longest wait for the metadata server, which needs milliseconds where
                there is one.
        """
        super().__init__(settings)
        self._metadata_seconds = metadata_seconds

    def _connect(self) -> _Connection:
        credentials = None
        if "STORAGE_EMULATOR_HOST" not in os.environ:
            credentials = find_credentials(self._metadata_seconds)
            if credentials is None:
                self.no_credentials = _NO_CREDENTIALS
        session = (
            AuthorizedSession(credentials)
            if credentials
            # Anonymous credentials cannot be refreshed.
            else AuthorizedSession(AnonymousCredentials(), refresh_status_codes=())
        )
        for scheme in ("http://", "https://"):
            session.mount(scheme, _TimedAdapter(pool_maxsize=CONNECTIONS))
        # Otherwise the library requests the metadata of each bucket too, for tracing.
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        # The session carries the credentials.
        return _Connection(Client("none", AnonymousCredentials(), _http=session), session)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except GoogleAPICallError as error:
            raise _error_of(int(error.code or 0), str(error)) from None
        except TransportError:
            raise ConnectionFailed("Google's server of credentials cannot be reached") from None
        except GoogleAuthError:
            raise Denied("the credentials that were found are not valid; renew them") from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise translate_error(error) from None

    def _look(self, bucket: str, name: str) -> ObjectInfo:
        blob = self._blob(bucket, name)
        blob.reload(timeout=timeouts(), retry=None)
        return _info(blob)

    def _read(self, bucket: str, name: str, max_bytes: int, part: str, version: str) -> Content:
        # The client library's own download does not stop at a limit of bytes.
        path = f"/download/storage/v1/b/{_checked_bucket(bucket)}/o/{quote(name, safe='')}"
        with self._client.session.get(
            self._client.client.api_endpoint + path,
            params={"alt": "media"} | ({"ifGenerationMatch": version} if version else {}),
            # The object as it is stored: its checksum is that of these bytes.
            headers={"Accept-Encoding": "gzip"} | ({"Range": part} if part else {}),
            timeout=timeouts(),
            stream=True,
        ) as response:
            if part and response.status_code == 416:
                return b"", None
            if response.status_code != (206 if part else 200):
                reason = response.raw.read(_LONGEST_REASON, decode_content=True)
                raise _error_of(response.status_code, reason.decode(errors="replace"))
            headers = response.headers
            check_version(headers.get("X-Goog-Generation", version), version)
            data = read_body(response.raw, headers.get("Content-Length"), max_bytes)
        stored = _CRC32C.search(headers.get("X-Goog-Hash", ""))
        found = base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
        if not part and stored and stored[1] != found:
            raise WrongChecksum("the bytes are not those that were stored (CRC32C)")
        return data, headers.get("Content-Encoding")

    def _page(self, bucket: str, start: str, token: str) -> Page:
        blobs = self._client.client.list_blobs(
            _checked_bucket(bucket),
            prefix=start or None,
            page_token=token or None,
            fields=_FIELDS,
            timeout=timeouts(),
            retry=None,
        )
        return [_info(blob) for blob in next(blobs.pages)], blobs.next_page_token

    def _write(
        self, bucket: str, name: str, data: bytes, kind: str, if_version: str | None
    ) -> None:
        self._blob(bucket, name).upload_from_string(
            data,
            kind,
            if_generation_match=_generation(if_version),
            checksum="crc32c",
            timeout=timeouts(),
            retry=None,
        )

    def _remove(self, bucket: str, name: str) -> None:
        self._blob(bucket, name).delete(timeout=timeouts(), retry=None)

    def _blob(self, bucket: str, name: str) -> Blob:
        return self._client.client.bucket(_checked_bucket(bucket)).blob(name)


class _TimedAdapter(HTTPAdapter):  # type: ignore[misc]
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


_POOLS = timed_pools(HTTPConnectionPool, HTTPSConnectionPool)


def _checked_bucket(bucket: str) -> str:
    # The client library puts the bucket into URLs unquoted.
    if not _BUCKET.fullmatch(bucket):
        raise Missing("no bucket can have such a name")
    return bucket


def _info(blob: Blob) -> ObjectInfo:
    uri = f"gs://{blob.bucket.name}/{blob.name}"
    written = blob.updated.timestamp() if blob.updated else None
    return ObjectInfo(uri, blob.size, str(blob.generation), written)


def _generation(version: str | None) -> int | None:
    if not version:
        return None if version is None else 0
    if not version.isdecimal():
        raise Changed("it never had the requested version")
    return int(version)


def _error_of(status: int, reason: str) -> StoreError:
    if status == 404 and "bucket does not exist" in reason:
        return Missing("there is no such bucket")
    if status == 404 and "No such object" in reason:
        return Missing("there is no such object")
    return error_of(status)
