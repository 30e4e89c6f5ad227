"""A real server of the web."""

from collections.abc import Iterator

import pytest

from tests.storage.web import Site


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server on this machine."""
    with Site().running() as site:
        yield site


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tries follow one another soon."""
    monkeypatch.setattr("imagebeam.storage.retry._FIRST_PAUSE", 0.01)
