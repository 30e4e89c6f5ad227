"""Fixtures for every test: reference data and bucket servers. In CI, a skip is a failure."""

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from imagebeam.samples import MODULE
from imagebeam.storage import registry
from tests.storage import servers

collect_ignore = [] if find_spec("tensorflow") else ["mobilenet_v1"]

_TERMINAL = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
"""Variables of a user's terminal that change the layout of tables."""

_REFERENCE = Path(
    os.environ.get(
        "IMAGEBEAM_REFERENCE", Path(__file__).resolve().parents[2] / "shared" / "reference"
    )
)


def pytest_configure() -> None:
    """Make every run the same on any machine, shell and terminal."""
    # A shell that runs tests in the background lets them ignore the signals of keys and terminals.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(each, signal.SIG_DFL)
    settings.register_profile("alike", deadline=None, derandomize=True, database=None)
    settings.load_profile("alike")
    os.environ["TERM"] = "xterm-256color"
    # The usual default is fetched from its publisher.
    os.environ["IMAGEBEAM_MODULE"] = str(MODULE)
    for name in _TERMINAL:
        os.environ.pop(name, None)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Leave binary content out of the ids of tests: archives hold the time at which they are made.

    All workers of pytest-xdist must collect the same ids.
    """
    is_binary = isinstance(val, bytes) and (b"\0" in val or not val.isascii())
    return argname if is_binary else None


@pytest.fixture(scope="session")
def reference() -> Path:
    """Return the folder with published weights, golden values and photos."""
    if not _REFERENCE.is_dir():
        pytest.skip(f"no reference data at {_REFERENCE}; set IMAGEBEAM_REFERENCE to its folder")
    return _REFERENCE


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[str]:
    """Yield the address of a fake-gcs-server with a bucket."""
    with servers.gcs_server() as address:
        yield address


@pytest.fixture
def gcs_bucket(gcs_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a bucket that clients find."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server)
    # A client of an earlier test uses another server.
    registry.forget_stores()
    return f"gs://{servers.BUCKET}"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Yield the address of moto's S3 with a bucket."""
    with servers.s3_server() as address:
        yield address


@pytest.fixture
def s3_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a bucket that clients find and may read."""
    registry.forget_stores()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server)
    for name, value in servers.S3_KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    return f"s3://{servers.BUCKET}"


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
