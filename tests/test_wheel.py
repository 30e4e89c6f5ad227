"""Test the distribution: one import name, and a command that works beside namesakes."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest

from imagebeam.version import __version__

_ROOT = Path(__file__).parents[1]
_NAMESAKES = (
    *("beam_pipeline", "transforms", "images", "hub_modules", "results", "stores"),
    *("samples", "mobilenet_v1", "storage", "modules", "outputs", "report", "evaluation"),
)


def _files(root: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(root, followlinks=True):
        below[:] = [name for name in below if name != "__pycache__"]
        yield from (Path(folder, name) for name in names)


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an sdist, and a wheel from it; return their folder."""
    folder = tmp_path_factory.mktemp("distribution")
    # Build from a copy, because files of an earlier build in the checkout would go into the wheel.
    checkout = folder / "checkout"
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("imagebeam", "beam_pipeline", "transforms"):
        shutil.copytree(_ROOT / name, checkout / name, symlinks=True, ignore=skipped)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(_ROOT / name, checkout)
    build = (sys.executable, "-m", "build", "--outdir", folder / "dist", checkout)
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(distribution: Path) -> Path:
    [wheel] = distribution.glob("*.whl")
    return wheel


@pytest.mark.slow
def test_a_package_index_accepts_the_distribution(distribution: Path) -> None:
    files = sorted(distribution.iterdir())
    assert [path.name for path in files] == [
        f"imagebeam-{__version__}-py3-none-any.whl",
        f"imagebeam-{__version__}.tar.gz",
    ]
    twine = (sys.executable, "-m", "twine", "--no-color", "check", "--strict")
    process = subprocess.run([*twine, *files], capture_output=True, text=True, check=False)
    assert process.stdout.count("PASSED") == 2
    assert process.returncode == 0


@pytest.mark.slow
def test_the_metadata_names_licence_and_versions(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(name))
        assert name.replace("METADATA", "licenses/LICENSE") in archive.namelist()
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    prefix = "Programming Language :: Python :: 3."
    stated = {name for name in metadata.get_all("Classifier", ()) if name.startswith(prefix)}
    [run] = re.findall(r'^versions="(.+)"$', (_ROOT / ".ci/pythons").read_text(), re.M)
    assert stated == {
        f"Programming Language :: Python :: {version}" for version in (*run.split(), "3.11")
    }


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    there = {path.relative_to(_ROOT).as_posix() for path in _files(_ROOT / "imagebeam")}
    assert held == there
    assert {name.partition("/")[0] for name in held} == {"imagebeam"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_it_works_in_a_folder_with_modules_of_the_same_names(
    wheel: Path, tmp_path: Path, kind: str
) -> None:
    installed = tmp_path / "installed"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", installed)
    subprocess.run([*pip, wheel], check=True)
    users = tmp_path / "users"
    users.mkdir()
    for name in _NAMESAKES:
        if kind == "folder":
            (users / name).mkdir()
        path = users / name / "__init__.py" if kind == "folder" else users / f"{name}.py"
        path.write_text("raise SystemExit('the wrong one')")
    (users / "script.py").write_text(
        "import imagebeam\n"
        "from imagebeam import LabelImages, ModuleHandler, label_pictures\n"
        "from imagebeam.samples import ARCHIVE\n"
        "[label, *_] = label_pictures([ARCHIVE / 'garden/IMG_2003.jpg'])\n"
        "print(imagebeam.__version__, LabelImages.__module__)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(installed), "XDG_CACHE_HOME": str(tmp_path)}

    def run(*arguments: str) -> str:
        return subprocess.run(
            (sys.executable, *arguments),
            cwd=users,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    assert run("script.py").endswith("imagebeam.transforms.label_images\n")
    archive = installed / "imagebeam/samples/archive/garden"
    run("-m", "imagebeam", "label", str(archive), "--output", "labels")
    assert "imagebeam" in run("-m", "imagebeam", "--version")
    run("-m", "imagebeam", "verify", "labels")
