"""Decoders that fail as their file asks."""

import pytest

from tests.faults.decoding import PLUGIN


@pytest.fixture
def faulty_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding processes started from now on do what `decoding.bmp` asks them to."""
    monkeypatch.syspath_prepend(PLUGIN)
