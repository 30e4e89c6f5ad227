import gzip
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from imagebeam.extras import install_command
from imagebeam.storage.errors import (
    Denied,
    Missing,
    NoCredentials,
    ServerFailed,
    StoreError,
    Throttled,
    TooLarge,
    WrongChecksum,
)
from imagebeam.storage.s3 import S3Store
from imagebeam.storage.types import Settings
from tests.storage.relay import Exchange, Relay, Reply, corrupted, stalled, status
from tests.storage.servers import BUCKET

_DATA = bytes(range(200))


@pytest.fixture(scope="module")
def stores() -> dict[str, S3Store]:
    """Return one client for all tests, because making clients is slow."""
    return {}


@pytest.fixture
def store(s3_bucket: str, stores: dict[str, S3Store]) -> S3Store:
    return stores.setdefault(s3_bucket, S3Store(Settings(seconds=20)))


@pytest.fixture
def client(s3_server: str) -> Any:
    keys = {"aws_access_key_id": "owner", "aws_secret_access_key": "owner"}
    return boto3.client("s3", "us-east-1", endpoint_url=s3_server, **keys)


@pytest.fixture
def uri(s3_bucket: str) -> str:
    return f"{s3_bucket}/{uuid.uuid4()}"


def _name(uri: str) -> str:
    return uri.rpartition("/")[2]


@pytest.mark.parametrize("name", ["a//b", "a/", "./a", "a/../b", "%2F", "é", "n" * 900])
def test_slashes_and_dots_have_no_special_meaning(store: S3Store, uri: str, name: str) -> None:
    store.write(f"{uri}/{name}", name.encode())
    assert store.read(f"{uri}/{name}", 999) == name.encode()
    assert [info.uri for info in store.list(f"{uri}/")] == [f"{uri}/{name}"]
    store.remove(f"{uri}/{name}")
    assert list(store.list(f"{uri}/")) == []


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("s3://a?b/c", "no bucket or object can have such a name"),
        ("s3:///a", "names no bucket"),
        ("s3://pictures/\udcff", "no object has such a name, which is not UTF-8"),
        ("s3://no-such-bucket/a", "there is no such bucket"),
        ("s3://pictures/no-such-object", "there is no such object"),
    ],
)
def test_impossible_names_are_missing(store: S3Store, uri: str, reason: str) -> None:
    with pytest.raises(Missing, match=f"^{reason}$"):
        store.read(uri, 999)


def test_objects_stored_as_gzip_are_decompressed(store: S3Store, client: Any, uri: str) -> None:
    packed = gzip.compress(b"picture" * 99)
    client.put_object(Bucket=BUCKET, Key=_name(uri), Body=packed, ContentEncoding="gzip")
    assert store.read(uri, 999) == b"picture" * 99
    with pytest.raises(TooLarge, match=r"^unpacks to more than 692 bytes, the limit$"):
        store.read(uri, 692)
    assert store.read(uri, 999, 0, len(packed)) == packed


def test_objects_uploaded_in_parts_are_read(store: S3Store, client: Any, uri: str) -> None:
    about = {"Bucket": BUCKET, "Key": _name(uri)}
    upload = client.create_multipart_upload(**about)["UploadId"]
    bodies = [bytes(5 << 20), b"end"]
    parts = [
        {
            "PartNumber": number,
            "ETag": client.upload_part(**about, UploadId=upload, PartNumber=number, Body=body)[
                "ETag"
            ],
        }
        for number, body in enumerate(bodies, 1)
    ]
    client.complete_multipart_upload(**about, UploadId=upload, MultipartUpload={"Parts": parts})
    assert store.read(uri, 6 << 20) == b"".join(bodies)


@pytest.fixture
def relay(s3_server: str, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    with Relay(s3_server).running() as relay:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", relay.address)
        yield relay


def _without_checksum(exchange: Exchange) -> None:
    reply = exchange.ask()
    headers = {k: v for k, v in reply.headers.items() if not k.startswith("x-amz-checksum")}
    exchange.reply(Reply(reply.status, headers, b"\x00" + reply.body[1:]))


@pytest.mark.parametrize("fault", [corrupted, _without_checksum])
def test_the_checksum_or_the_md5_is_compared(relay: Relay, uri: str, fault: Any) -> None:
    store = S3Store(Settings(attempts=1))
    store.write(uri, b"picture")
    relay.faults.append(fault)
    with pytest.raises(WrongChecksum):
        store.read(uri, 999)


@pytest.fixture
def anonymous(relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Set up a machine without credentials, and its metadata server."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    with Relay("nowhere").running() as machine:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.address)
        yield machine


def test_public_objects_are_read_without_credentials(
    anonymous: Relay, relay: Relay, client: Any, uri: str
) -> None:
    client.put_object(Bucket=BUCKET, Key=_name(uri), Body=b"picture", ACL="public-read")
    anonymous.faults.extend([status(404)] * 9)
    assert S3Store(Settings()).read(uri, 999) == b"picture"
    assert "authorization" not in relay.requests[0][2]


@pytest.mark.parametrize("answer", [status(404), pytest.param(stalled, marks=pytest.mark.slow)])
def test_private_objects_report_where_credentials_were_searched(
    anonymous: Relay, client: Any, uri: str, answer: Any
) -> None:
    client.put_object(Bucket=BUCKET, Key=_name(uri), Body=b"picture")
    anonymous.faults.extend([answer] * 9)
    store = S3Store(Settings())
    with pytest.raises(NoCredentials) as caught:
        store.read(uri, 999)
    assert str(caught.value) == (
        "no credentials for S3 were found, and it is not public; looked at AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, the profiles in ~/.aws, and what the machine is. "
        "Run `aws configure`"
    )


@pytest.mark.parametrize(
    ("code", "status_code", "kind", "reason"),
    [
        ("AccessDenied", 403, Denied, "access is denied (status 403)"),
        ("InvalidObjectState", 403, Denied, "it is archived; restore it first"),
        ("RequestTimeTooSkewed", 403, Denied, "the clock of this machine is wrong"),
        ("ExpiredToken", 400, Denied, "the credentials that were found are not valid; renew them"),
        ("InvalidRequest", 400, ServerFailed, "the server refuses the request (status 400)"),
        ("SlowDown", 503, Throttled, "the server asks for fewer requests"),
        ("RequestTimeout", 400, ServerFailed, "the server asks for another try"),
        ("OperationAborted", 409, ServerFailed, "the server answers with status 409"),
    ],
)
def test_server_errors_are_reported_without_their_text(
    relay: Relay, code: str, status_code: int, kind: Any, reason: str
) -> None:
    answer = f"<Error><Code>{code}</Code><Message>confidential</Message></Error>"
    relay.faults.append(status(status_code, answer.encode()))
    with pytest.raises(StoreError) as caught:
        S3Store(Settings(attempts=1)).read(f"s3://{BUCKET}/confidential", 999)
    assert (type(caught.value), str(caught.value)) == (kind, reason)


def test_a_look_that_is_refused_without_a_reason_names_credentials_and_region(relay: Relay) -> None:
    relay.faults.extend([status(400)] * 2)
    with pytest.raises(Denied, match="renew the credentials, or set AWS_DEFAULT_REGION"):
        S3Store(Settings(attempts=1)).info(f"s3://{BUCKET}/a")


def _first_version(exchange: Exchange) -> None:
    """List two objects at a time, as a server does that knows only the first version of that."""
    exchange.target = exchange.target.replace("list-type=2", "")
    exchange.reply(exchange.ask(query="max-keys=2"))


def test_a_listing_in_its_first_version_is_read_to_its_end(relay: Relay, uri: str) -> None:
    store = S3Store(Settings(attempts=1))
    for name in "abcde":
        store.write(f"{uri}/{name}", b"1")
    relay.faults.extend([_first_version] * 3)
    assert [info.uri for info in store.list(f"{uri}/")] == [f"{uri}/{name}" for name in "abcde"]
    assert not relay.faults


_LISTING = b"<ListBucketResult><Name>a</Name>%s</ListBucketResult>"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Sign in</body></html>",
        b"<ListBucketResult/>",
        _LISTING % b"<Contents><Size>1</Size></Contents>",
        _LISTING % b"<Contents><Key>other</Key><Size>1</Size></Contents>",
        _LISTING % b"<Contents><Key>x</Key><Size>many</Size></Contents>",
        _LISTING % b"<IsTruncated>true</IsTruncated>",
    ],
)
def test_an_answer_that_is_no_listing_is_an_error_and_no_empty_bucket(
    relay: Relay, body: bytes
) -> None:
    relay.faults.append(status(200, body))
    with pytest.raises(ServerFailed):
        list(S3Store(Settings(attempts=1)).list(f"s3://{BUCKET}/x"))


def test_a_listing_that_repeats_its_page_ends(relay: Relay) -> None:
    more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    body = _LISTING % (b"<Contents><Key>x</Key><Size>1</Size></Contents>" + more)
    relay.faults.extend([status(200, body)] * 3)
    with pytest.raises(ServerFailed, match="the listing repeats itself"):
        list(S3Store(Settings(attempts=1)).list(f"s3://{BUCKET}/x"))
    assert len(relay.requests) == 2


def test_objects_without_version_and_date_are_read(relay: Relay, uri: str) -> None:
    store = S3Store(Settings(attempts=1))
    store.write(uri, b"picture")

    def bare(exchange: Exchange) -> None:
        reply = exchange.ask()
        kept = {
            k: v for k, v in reply.headers.items() if k.lower() not in ("etag", "last-modified")
        }
        exchange.reply(Reply(reply.status, kept, reply.body))

    relay.faults.extend([bare] * 2)
    info = store.info(uri)
    assert (info.size, info.version, info.modified) == (7, "", None)
    assert store.read(uri, 9, version=info.version) == b"picture"


def test_a_version_may_be_weak_in_one_answer_and_strong_in_another(relay: Relay, uri: str) -> None:
    store = S3Store(Settings(attempts=1))
    store.write(uri, b"picture")

    def weak(exchange: Exchange) -> None:
        reply = exchange.ask()
        headers = {k: f"W/{v}" if k.lower() == "etag" else v for k, v in reply.headers.items()}
        exchange.reply(Reply(reply.status, headers, reply.body))

    relay.faults.append(weak)
    assert store.read(uri, 9, version=store.info(uri).version) == b"picture"


_MOVED = b"<Error><Code>PermanentRedirect</Code></Error>"


def test_the_region_of_a_bucket_is_named_as_the_reason(relay: Relay) -> None:
    relay.faults.extend([status(301, _MOVED, **{"x-amz-bucket-region": "eu-west-1"})] * 2)
    with pytest.raises(Denied, match="another region or at another address; set AWS_DEFAULT_"):
        S3Store(Settings(attempts=1)).read(f"s3://{BUCKET}/a", 999)


def test_redirects_in_a_circle_end(relay: Relay) -> None:
    relay.faults.extend([status(301)] * 1000)
    with pytest.raises(ServerFailed, match=r"^the answer is not one of S3 \(RecursionError\)$"):
        S3Store(Settings(attempts=1)).read(f"s3://{BUCKET}/a", 999)


def test_half_of_a_key_is_reported(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(NoCredentials, match=r"missing: AWS_SECRET_ACCESS_KEY$"):
        S3Store(Settings()).read(f"s3://{BUCKET}/a", 999)


def test_without_boto3_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['boto3'] = None\n"
        "from imagebeam.storage import StoreError, store_for\n"
        "try: store_for('s3://a/b')\n"
        "except StoreError as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"Unsupported s3:// needs boto3; run `{install_command('s3')}`\n"
