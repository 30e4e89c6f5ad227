"""Real servers of buckets, one each for all tests."""

import subprocess
from collections.abc import Iterator

import pytest
import requests

from tests.engines.tools import free_port, listens, tool, wait_until

BUCKET = "pictures"


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
