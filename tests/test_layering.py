"""Test in the source that imports go down only."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_BELOW: dict[str, set[str]] = {
    "beam_pipeline": {
        *("transforms", "scoring", "images", "modules", "outputs", "storage", "tables"),
        *("report", "evaluation", "training", "mobilenet_v1", "samples"),
    },
    "transforms": {"scoring", "images", "modules", "outputs", "storage"},
    "tables": {"outputs", "storage"},
    "report": {"evaluation", "images", "outputs", "storage"},
    "training": {"evaluation", "images", "mobilenet_v1", "modules"},
    "evaluation": {"images", "modules", "storage"},
    "scoring": {"images", "modules", "storage"},
    "images": {"storage"},
    "modules": {"storage"},
    "outputs": {"storage"},
    "storage": set(),
    "mobilenet_v1": {"storage"},
    "samples": set(),
}
_EVERYWHERE = {
    *("channel", "child_process", "errors", "escape_control_chars", "extras", "resources"),
    *("service_process", "stderr_redirection", "version"),
}
_KNOW_BEAM = {"beam_pipeline", "transforms"}
_SURFACE = {"__init__", "__main__", "pictures"}


def _imports(package: str) -> Iterator[tuple[Path, str]]:
    """Return our modules and the other packages that the files of a package import."""
    for path in (_ROOT / "imagebeam" / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                if node.module == "imagebeam":
                    yield from ((path, f"imagebeam.{alias.name}") for alias in node.names)
                else:
                    yield path, node.module or ""


def test_every_package_has_its_layer() -> None:
    found = {path.parent.name for path in (_ROOT / "imagebeam").glob("*/__init__.py")}
    assert found == {*_BELOW}
    files = {path.stem for path in (_ROOT / "imagebeam").glob("*.py")}
    assert files == _EVERYWHERE | _SURFACE


def test_contributing_lists_the_packages_and_what_each_may_import() -> None:
    text = (_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.M)
    stated = {name: set(re.findall(r"`(\w+)`", below)) for name, below in rows}
    stated["beam_pipeline"] = {*_BELOW} - {"beam_pipeline"}
    assert stated == _BELOW


@pytest.mark.parametrize("package", _BELOW)
def test_a_package_imports_only_packages_below_it(package: str) -> None:
    allowed = {package, *_BELOW[package], *_EVERYWHERE}
    upward = [
        f"{path.relative_to(_ROOT)} imports {name}"
        for path, name in _imports(package)
        if name.partition(".")[0] in {"tests", "benchmarks", "beam_pipeline", "transforms"}
        or (name.startswith("imagebeam") and name.split(".")[1] not in allowed)
    ]
    assert upward == []


@pytest.mark.parametrize("package", sorted({*_BELOW} - _KNOW_BEAM))
def test_only_the_upper_layers_import_beam(package: str) -> None:
    assert [name for _, name in _imports(package) if name.startswith("apache_beam")] == []


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("imagebeam.beam_pipeline.pipeline", "tensorflow"),
        ("imagebeam.beam_pipeline.job", "tensorflow"),
        ("imagebeam.beam_pipeline.cli.main", "apache_beam"),
        ("imagebeam", "apache_beam"),
        ("imagebeam.beam_pipeline.cli.main", "numpy"),
    ],
)
def test_importing_a_module_imports_no_heavy_library(module: str, absent: str) -> None:
    code = f"import sys, {module}; sys.exit('{absent}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=_ROOT, check=False).returncode == 0
