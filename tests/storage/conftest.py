"""A real server of the web."""

from collections.abc import Iterator

import pytest

from tests.storage.web import Site


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server on this machine."""
    with Site().running() as site:
        yield site
