"""A real web server."""

from collections.abc import Iterator

import pytest

from tests.storage.web import Site


@pytest.fixture
def site() -> Iterator[Site]:
    """Run a web server on this machine."""
    with Site().running() as site:
        yield site
