"""Fixtures for every test: reference data and bucket servers. In CI, a skip is a failure."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import boto3
import pytest
import requests
from hypothesis import settings

from imagebeam.samples import MODULE
from imagebeam.storage import registry
from tests.engines.tools import free_port, listens, tool, wait_until

BUCKET = "pictures"

collect_ignore = [] if find_spec("tensorflow") else ["mobilenet_v1"]

_TERMINAL = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
"""Variables of a user's terminal that change the layout of tables."""

_KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}

_REFERENCE = Path(
    os.environ.get(
        "IMAGEBEAM_REFERENCE", Path(__file__).resolve().parents[2] / "shared" / "reference"
    )
)


def pytest_configure() -> None:
    """Make every run the same on any machine, shell and terminal."""
    # A shell that runs tests in the background ignores Ctrl-C for their jobs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("alike", deadline=None, derandomize=True, database=None)
    settings.load_profile("alike")
    os.environ["TERM"] = "xterm-256color"
    # The usual default is fetched from its publisher.
    os.environ["IMAGEBEAM_MODULE"] = str(MODULE)
    for name in _TERMINAL:
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def reference() -> Path:
    """Return the folder with published weights, golden values and photos."""
    if not _REFERENCE.is_dir():
        pytest.skip(f"no reference data at {_REFERENCE}; set IMAGEBEAM_REFERENCE to its folder")
    return _REFERENCE


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[str]:
    """Yield the address of a fake-gcs-server with a bucket."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [
        *(str(tool("bin/fake-gcs-server")), "-backend", "memory", "-scheme", "http"),
        *("-host", "127.0.0.1", "-port", str(port), "-log-level", "error"),
        # The server answers an upload of a large object with this address.
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
    """Return a bucket that clients find."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server)
    # A client of an earlier test uses another server.
    registry.forget_stores()
    return f"gs://{BUCKET}"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Yield the address of moto's S3 with a bucket."""
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
    """Return a bucket that clients find and may read."""
    registry.forget_stores()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server)
    for name, value in _KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    return f"s3://{BUCKET}"


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):  # type: ignore[no-untyped-def]
    """Skip files that import TensorFlow if it is not installed."""
    report = yield
    if report.failed and _lacks_tensorflow(str(report.longrepr)):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, _NO_TENSORFLOW)
    return report


_NO_TENSORFLOW = "needs TensorFlow, which is not installed"


def _lacks_tensorflow(text: str) -> bool:
    return find_spec("tensorflow") is None and (
        "No module named 'tensorflow" in text or _NO_TENSORFLOW in text
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Skip a test that needs TensorFlow if it is not installed; in CI, let a skip fail.

    IMAGEBEAM_REQUIRE_ALL=1 turns a skip into a failure.
    """
    report = yield
    if report.failed and _lacks_tensorflow(str(report.longrepr)):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, _NO_TENSORFLOW)
    must_run = os.environ.get("IMAGEBEAM_REQUIRE_ALL")
    if must_run and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where everything must run: {call.excinfo}"
    return report
