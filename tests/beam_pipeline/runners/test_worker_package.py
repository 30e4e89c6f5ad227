"""Test the wheel that workers on other machines install."""

import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from importlib.metadata import version
from pathlib import Path

import pytest

from imagebeam import transforms
from imagebeam.beam_pipeline.runners.worker_package import build_wheel
from imagebeam.samples import MODULE
from imagebeam.version import __version__
from tests.beam_pipeline.jobs import ROOT, archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


_NOT_FOR_WORKERS = (
    *("beam_pipeline", "evaluation", "mobilenet_v1", "report", "samples", "tables", "training"),
)

_WORKER = """
import pickle, sys
from pathlib import Path
import apache_beam as beam
import imagebeam
from imagebeam.modules.open_module import open_module
assert Path(imagebeam.__file__).is_relative_to(sys.argv[1]), imagebeam.__file__
with beam.Pipeline("FnApiRunner") as pipeline:
    labelled = pipeline | beam.Create([sys.argv[2]]) | imagebeam.LabelImages(sys.argv[3])
    _ = labelled.predictions | beam.Map(lambda row: print(row.uri))
for name in sys.argv[4:]:
    steps = pickle.loads(Path(name).read_bytes())
"""


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder)
    subprocess.run((*pip, wheel), check=True)
    return folder


def test_it_contains_the_package_without_files_that_no_worker_needs(installed: Path) -> None:
    package = ROOT / "imagebeam"
    sources = {
        Path(folder, name).relative_to(ROOT)
        for folder, _, names in os.walk(package, followlinks=True)
        for name in names
        if Path(folder).relative_to(package).parts[:1] not in {(x,) for x in _NOT_FOR_WORKERS}
        and not folder.endswith("__pycache__")
    }
    assert len(sources) > 80
    found = {
        path.relative_to(installed)
        for path in (installed / "imagebeam").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert found == sources
    for name in sources:
        assert (installed / name).read_bytes() == (ROOT / name).read_bytes()


def test_a_worker_can_label_a_shard_with_it_alone(installed: Path, tmp_path: Path) -> None:
    [image] = archive(tmp_path / "in", 1)
    shutil.copytree(MODULE, tmp_path / "module")
    # Every step of the job and every element type, by reference: a worker imports them.
    steps = tmp_path / "steps.pickle"
    steps.write_bytes(pickle.dumps([getattr(transforms, name) for name in transforms.__all__]))
    done = subprocess.run(
        [sys.executable, "-c", _WORKER, installed, image, tmp_path / "module", steps],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{image}\n"


def test_the_same_package_is_the_same_file(wheel: Path, tmp_path: Path) -> None:
    assert build_wheel(tmp_path).read_bytes() == wheel.read_bytes()


def test_it_requires_the_versions_that_rows_depend_on_but_not_beam(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"imagebeam-{__version__}.dist-info/METADATA")
    required = message_from_bytes(metadata).get_all("Requires-Dist") or []
    assert f"pillow=={version('pillow')}" in required
    assert f"ai-edge-litert=={version('ai-edge-litert')}" in required
    assert [line for line in required if line.startswith(("apache-beam", "pillow>"))] == []
