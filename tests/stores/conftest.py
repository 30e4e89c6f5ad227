"""Real servers: of buckets one each for all tests, of the web one a test."""

import subprocess
import sys
from collections.abc import Iterator

import boto3
import pytest
import requests

from tests.engines.tools import free_port, listens, tool, wait_until
from tests.stores.web import Site

BUCKET = "pictures"

_KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[str]:
    """The address of a fake-gcs-server with a bucket."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [
        *(str(tool("bin/fake-gcs-server")), "-backend", "memory", "-scheme", "http"),
        *("-host", "127.0.0.1", "-port", str(port), "-log-level", "error"),
        # It answers with an address of its own when something large is uploaded.
        *("-external-url", address, "-public-host", address.removeprefix("http://")),
    ]
    with subprocess.Popen(command) as server:
        try:
            wait_until(lambda: listens(port), "fake-gcs-server does not listen")
            made = requests.post(f"{address}/storage/v1/b", json={"name": BUCKET}, timeout=60)
            made.raise_for_status()
            yield address
        finally:
            server.terminate()


@pytest.fixture
def gcs_bucket(gcs_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket that clients find."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server)
    return f"gs://{BUCKET}"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of moto's S3 with a bucket."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: listens(port), "moto does not listen")
            client = boto3.client("s3", "us-east-1", endpoint_url=address, **_KEYS)
            client.create_bucket(Bucket=BUCKET)
            yield address
        finally:
            server.terminate()


@pytest.fixture
def s3_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket that clients find, and may read."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server)
    for name, value in _KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    return f"s3://{BUCKET}"


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server on this machine."""
    with Site().running() as site:
        yield site


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tries follow one another soon."""
    monkeypatch.setattr("stores.attempts._FIRST_PAUSE", 0.01)
