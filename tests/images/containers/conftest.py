import pytest

from imagebeam.images.unexpected import RAISE


@pytest.fixture(autouse=True)
def defects_fail_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let exceptions pass that would become rows, unless a test is about them."""
    monkeypatch.setenv(RAISE, "1")
