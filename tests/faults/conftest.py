"""Decoders that fail as their file requests."""

import psutil
import pytest

from tests.faults.decoding import PLUGIN, leftovers


@pytest.fixture
def faulty_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make new decoding processes obey the requests of `decoding.bmp`."""
    leftovers.clear()
    leftovers.update(psutil.Process().children(recursive=True))
    monkeypatch.syspath_prepend(PLUGIN)
