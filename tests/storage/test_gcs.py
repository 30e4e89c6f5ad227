import gzip
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from imagebeam.storage.errors import (
    Denied,
    Missing,
    NoCredentials,
    TooLarge,
    WrongChecksum,
    WrongLength,
)
from imagebeam.storage.gcs import GcsStore
from imagebeam.storage.types import Settings
from tests.storage.relay import Exchange, Relay, Reply, stalled, status
from tests.storage.servers import BUCKET


@pytest.fixture
def store(gcs_bucket: str) -> GcsStore:
    return GcsStore(Settings(seconds=20))


@pytest.fixture
def base(gcs_bucket: str) -> str:
    return f"{gcs_bucket}/{uuid.uuid4()}"


@pytest.mark.parametrize(
    "name", ["a//b", "/a", "a/", "a\nb", "a\x07b", "./a", "a/../b", "%2F", "é", "n" * 900]
)
def test_slashes_and_dots_have_no_special_meaning(store: GcsStore, base: str, name: str) -> None:
    store.write(f"{base}/{name}", name.encode())
    assert store.read(f"{base}/{name}", 999) == name.encode()
    assert [info.uri for info in store.list(f"{base}/")] == [f"{base}/{name}"]
    store.remove(f"{base}/{name}")
    assert list(store.list(f"{base}/")) == []


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("gs://UPPER/a", "no bucket can have such a name"),
        ("gs://a?b/c", "no bucket can have such a name"),
        ("gs://../c", "no bucket can have such a name"),
        ("gs:///a", "names no bucket"),
        ("gs://pictures/\udcff", "no object has such a name, which is not UTF-8"),
        ("gs://no-such-bucket/a", "there is no such object or no such bucket"),
    ],
)
def test_impossible_names_are_missing(store: GcsStore, uri: str, reason: str) -> None:
    with pytest.raises(Missing, match=f"^{reason}$"):
        store.read(uri, 999)


def test_a_large_object_is_uploaded_in_parts(store: GcsStore, base: str) -> None:
    data = bytes(range(256)) * (40 << 10)
    store.write(f"{base}/a", data, "")
    assert store.read(f"{base}/a", len(data)) == data


def _upload(server: str, name: str, data: bytes, encoding: str) -> None:
    url = f"{server}/upload/storage/v1/b/{BUCKET}/o?uploadType=multipart&name={name}"
    about = json.dumps({"name": name, "contentEncoding": encoding})
    part = "--x\r\nContent-Type: {}\r\n\r\n"
    body = (part.format("application/json") + about + "\r\n").encode()
    body += part.format("image/png").encode() + data + b"\r\n--x--"
    headers = {"Content-Type": "multipart/related; boundary=x"}
    requests.post(url, body, headers=headers, timeout=60).raise_for_status()


def test_objects_stored_as_gzip_are_decompressed(
    store: GcsStore, gcs_server: str, gcs_bucket: str
) -> None:
    packed = gzip.compress(b"picture" * 99)
    name = str(uuid.uuid4())
    _upload(gcs_server, name, packed, "gzip")
    uri = f"{gcs_bucket}/{name}"
    assert store.read(uri, 999) == b"picture" * 99
    with pytest.raises(TooLarge, match=r"^unpacks to more than 692 bytes, the limit$"):
        store.read(uri, 692)
    assert store.read(uri, 999, 0, len(packed)) == packed


@pytest.mark.parametrize(
    ("packed", "kind"),
    [(b"picture", WrongChecksum), (gzip.compress(b"picture", mtime=0)[:-9], WrongLength)],
)
def test_objects_falsely_stored_as_gzip_are_errors(
    store: GcsStore, gcs_server: str, gcs_bucket: str, packed: bytes, kind: type[Exception]
) -> None:
    name = str(uuid.uuid4())
    _upload(gcs_server, name, packed, "gzip")
    with pytest.raises(kind, match="Content-Encoding"):
        store.read(f"{gcs_bucket}/{name}", 999)


@pytest.fixture
def relay(gcs_server: str) -> Iterator[Relay]:
    with Relay(gcs_server).running() as relay:
        yield relay


@pytest.fixture
def abroad(relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """Replace Google's servers, on a machine without credentials."""
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", relay.address)
    return relay


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Run a metadata server."""
    with Relay("nowhere").running() as relay:
        address = relay.address.removeprefix("http://")
        monkeypatch.setenv("GCE_METADATA_IP", address)
        monkeypatch.setenv("GCE_METADATA_HOST", address)
        yield relay


def _written(server: str) -> str:
    name = str(uuid.uuid4())
    _upload(server, name, b"picture", "")
    return f"gs://{BUCKET}/{name}"


def test_public_objects_are_read_without_credentials(
    abroad: Relay, machine: Relay, gcs_server: str
) -> None:
    machine.faults.extend([status(404)] * 9)
    store, name = GcsStore(Settings()), _written(gcs_server)
    assert store.read(name, 999) == b"picture"
    assert store.info(name).size == 7
    assert [found.uri for found in store.list(name)] == [name]
    assert all("authorization" not in headers for _, _, headers in abroad.requests)


def test_without_credentials_googles_servers_are_used(
    abroad: Relay, machine: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client library uses more of its session if it builds the address itself.
    monkeypatch.delenv("API_ENDPOINT_OVERRIDE")
    machine.faults.extend([status(404)] * 9)
    assert GcsStore(Settings())._client.client.api_endpoint == "https://storage.googleapis.com"


@pytest.mark.parametrize("code", [401, 403])
def test_private_objects_report_where_credentials_were_searched(
    abroad: Relay, machine: Relay, code: int
) -> None:
    machine.faults.extend([status(404)] * 9)
    abroad.faults.extend([status(code)] * 2)
    store = GcsStore(Settings())
    with pytest.raises(NoCredentials) as caught:
        store.read(f"gs://{BUCKET}/confidential", 999)
    assert str(caught.value) == (
        "no credentials for Google Cloud were found, and it is not public; looked at "
        "GOOGLE_APPLICATION_CREDENTIALS, gcloud's application_default_credentials.json and the "
        "metadata server. Run `gcloud auth application-default login`"
    )
    with pytest.raises(NoCredentials):
        store.write(f"gs://{BUCKET}/confidential", b"")
    assert len(abroad.requests) == 2


def test_a_stalled_metadata_server_times_out(
    abroad: Relay, machine: Relay, gcs_server: str
) -> None:
    machine.faults.extend([stalled] * 99)
    assert GcsStore(Settings(), metadata_seconds=0.3).read(_written(gcs_server), 999) == b"picture"
    assert len(machine.requests) == 1


def _token(exchange: Exchange) -> None:
    found = {"access_token": "confidential", "expires_in": 3600, "email": "a@example.com"}
    headers = {"Metadata-Flavor": "Google", "Content-Type": "application/json"}
    exchange.reply(Reply(200, headers, json.dumps(found).encode()))


@pytest.mark.slow
def test_credentials_come_from_the_metadata_server(
    abroad: Relay, machine: Relay, gcs_server: str
) -> None:
    machine.faults.extend([_token] * 9)
    # Google's library searches for the metadata server once per process.
    code = (
        "import sys; from imagebeam.storage import store_for; "
        "sys.stdout.buffer.write(store_for(sys.argv[1]).read(sys.argv[1], 999))"
    )
    command = [sys.executable, "-c", code, _written(gcs_server)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.stdout, done.returncode) == (b"picture", 0), done.stderr.decode()
    assert abroad.requests[0][2]["authorization"] == "Bearer confidential"


@pytest.mark.parametrize("content", [None, "{}", "no JSON"])
def test_an_invalid_key_file_is_reported(
    abroad: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(
        NoCredentials, match=r"^GOOGLE_APPLICATION_CREDENTIALS names no file with credentials$"
    ):
        GcsStore(Settings()).read(f"gs://{BUCKET}/a", 999)
    assert abroad.requests == []


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Run a server that issues tokens for a key file."""
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    with Relay("nowhere").running() as issuer:
        about = {
            "type": "service_account",
            "client_email": "a@example.com",
            "private_key": key.decode(),
            "token_uri": issuer.address,
        }
        (tmp_path / "key.json").write_text(json.dumps(about))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        yield issuer


def test_credentials_come_from_a_key_file(abroad: Relay, issuer: Relay, gcs_server: str) -> None:
    issuer.faults.append(_token)
    assert GcsStore(Settings()).read(_written(gcs_server), 999) == b"picture"
    assert abroad.requests[0][2]["authorization"] == "Bearer confidential"
    assert len(issuer.requests) == 1


def test_a_revoked_key_is_reported(abroad: Relay, issuer: Relay) -> None:
    issuer.faults.append(status(400, b'{"error": "invalid_grant"}'))
    with pytest.raises(
        Denied, match=r"^the credentials that were found are not valid; renew them$"
    ):
        GcsStore(Settings()).read(f"gs://{BUCKET}/a", 999)
    assert abroad.requests == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"The specified bucket does not exist.", "there is no such bucket"),
        (b"No such object: pictures/confidential", "there is no such object"),
        (b"", "there is no such object or no such bucket"),
    ],
)
def test_missing_objects_and_buckets_are_distinguished(
    abroad: Relay, machine: Relay, text: bytes, reason: str
) -> None:
    machine.faults.extend([status(404)] * 9)
    answer = json.dumps({"error": {"code": 404, "message": text.decode()}}).encode()
    abroad.faults.extend([status(404, text), status(404, answer)])
    store = GcsStore(Settings())
    for action in (lambda: store.read("gs://pictures/a", 9), lambda: store.info("gs://pictures/a")):
        with pytest.raises(Missing, match=f"^{reason}$"):
            action()
