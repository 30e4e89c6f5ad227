"""Decoders that fail as their file asks."""

import psutil
import pytest

from tests.faults.decoding import PLUGIN, strangers


@pytest.fixture
def faulty_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding processes started from now on do what `decoding.bmp` asks them to."""
    strangers.clear()
    strangers.update(psutil.Process().children(recursive=True))
    monkeypatch.syspath_prepend(PLUGIN)
