import pytest

from imagebeam.errors import RAISE_UNEXPECTED


@pytest.fixture(autouse=True)
def defects_fail_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise exceptions that would become rows, unless a test is about them."""
    monkeypatch.setenv(RAISE_UNEXPECTED, "1")
