"""What `pip install` brings: all of the packages and their data, and nothing else."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_KEPT_OUT = {"tests", "benchmarks"}


def _packages() -> set[str]:
    return {path.parent.name for path in _ROOT.glob("*/__init__.py")} - _KEPT_OUT


def test_every_package_is_typed() -> None:
    assert sorted(path.parent.name for path in _ROOT.glob("*/py.typed")) == sorted(_packages())


@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_their_data(tmp_path: Path) -> None:
    # A copy: what an earlier build left in the checkout would go into the wheel.
    checkout = tmp_path / "checkout"
    skipped = shutil.ignore_patterns("__pycache__")
    for package in _packages():
        shutil.copytree(_ROOT / package, checkout / package, ignore=skipped)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(_ROOT / name, checkout)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    subprocess.run([*pip, "--wheel-dir", tmp_path, checkout], check=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    there = {
        path.relative_to(_ROOT).as_posix()
        for package in _packages()
        for path in (_ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == there
