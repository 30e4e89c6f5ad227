"""Test that a flatbuffer that ends or hangs LiteRT is refused, and costs no more than a process."""

import os
import signal
import time
from pathlib import Path

import pytest

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.litert.trial import try_flatbuffer
from tests.modules.flatbuffers import echo


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a sound flatbuffer."""
    path = tmp_path / "module.tflite"
    path.write_bytes(echo())
    return path


def crash(*_: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(*_: str) -> None:
    time.sleep(3600)


def _refusal(path: Path, name: str, seconds: float) -> str:
    with pytest.raises(ModuleError) as caught:
        try_flatbuffer(path, Cache(path.parent / "cache"), seconds, f"{__name__}:{name}")
    return str(caught.value)


def test_a_file_that_crashes_or_hangs_is_refused(path: Path) -> None:
    end = "when it was tried in a process of its own, so the file is damaged or hostile"
    assert f"{str(path)!r}: LiteRT ended with signal Segmentation fault {end}" in _refusal(
        path, "crash", 60
    )
    assert f"{str(path)!r}: LiteRT did not finish within 0.5 s {end}" in _refusal(path, "hang", 0.5)


@pytest.mark.parametrize("content", [echo(), b"no flatbuffer"])
def test_a_file_that_ends_well_is_not_tried_again(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    cache = Cache(path.parent / "cache")
    try_flatbuffer(path, cache)
    try_flatbuffer(path, cache, target=f"{__name__}:crash")
    path.write_bytes(content + b"more")
    with pytest.raises(ModuleError):
        try_flatbuffer(path, cache, target=f"{__name__}:crash")


def test_a_cache_that_cannot_be_written_does_not_matter(path: Path) -> None:
    (path.parent / "cache").write_bytes(b"a file")
    try_flatbuffer(path, Cache(path.parent / "cache"))
