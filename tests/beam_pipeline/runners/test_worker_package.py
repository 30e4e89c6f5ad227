"""The wheel that workers elsewhere install."""

import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from importlib.metadata import version
from pathlib import Path

import pytest

from imagebeam.beam_pipeline.runners.worker_package import build_wheel
from imagebeam.samples import MODULE
from imagebeam.version import __version__
from tests.beam_pipeline.jobs import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_pip_installs_it_and_it_is_all_that_runs_here(wheel: Path, tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path)
    subprocess.run((*pip, wheel), check=True)
    sources = [
        Path(folder, name)
        for folder, _, names in os.walk(ROOT / "imagebeam", followlinks=True)
        for name in names
        if name.endswith(".py")
    ]
    assert len(sources) > 100
    for path in sources:
        assert (tmp_path / path.relative_to(ROOT)).read_bytes() == path.read_bytes()
    for path in MODULE.rglob("*"):
        assert (tmp_path / path.relative_to(ROOT)).exists()


def test_the_same_package_is_the_same_file(wheel: Path, tmp_path: Path) -> None:
    assert build_wheel(tmp_path).read_bytes() == wheel.read_bytes()


def test_it_asks_for_the_versions_that_rows_depend_on_and_leaves_beam_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"imagebeam-{__version__}.dist-info/METADATA")
    required = message_from_bytes(metadata).get_all("Requires-Dist") or []
    assert f"pillow=={version('pillow')}" in required
    assert f"ai-edge-litert=={version('ai-edge-litert')}" in required
    assert [line for line in required if line.startswith(("apache-beam", "pillow>"))] == []
