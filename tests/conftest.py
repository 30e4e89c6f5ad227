"""Fixtures for every test: where the reference data is, and what a skip means in CI."""

import os
from pathlib import Path

import pytest

_REFERENCE = Path(
    os.environ.get(
        "IMAGEBEAM_REFERENCE", Path(__file__).resolve().parents[2] / "shared" / "reference"
    )
)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder with published weights, golden values and photos."""
    if not _REFERENCE.is_dir():
        pytest.skip(f"no reference data at {_REFERENCE}; set IMAGEBEAM_REFERENCE to its folder")
    return _REFERENCE


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Turn a skip into a failure where everything must run (IMAGEBEAM_REQUIRE_ALL=1)."""
    report = yield
    must_run = os.environ.get("IMAGEBEAM_REQUIRE_ALL")
    if must_run and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where everything must run: {call.excinfo}"
    return report
