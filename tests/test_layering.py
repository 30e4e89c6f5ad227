"""Imports go down only: who may know whom, read from the source itself."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_BELOW = {
    "imagebeam": {"transforms", "images", "hub_modules", "results", "samples"},
    "beam_pipeline": {
        *("transforms", "images", "hub_modules", "results", "stores"),
        *("mobilenet_v1", "samples"),
    },
    "transforms": {"images", "hub_modules", "results", "stores"},
    "images": {"stores"},
    "hub_modules": {"stores"},
    "results": {"stores"},
    "stores": set(),
    "mobilenet_v1": set(),
    "samples": {"mobilenet_v1"},
}
_KNOW_BEAM = {"beam_pipeline", "transforms"}


def _imports(package: str) -> Iterator[tuple[Path, str]]:
    for path in (_ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                yield path, node.module or ""


@pytest.mark.parametrize("package", _BELOW)
def test_a_package_knows_only_those_below_it(package: str) -> None:
    allowed = {package, *_BELOW[package]}
    ours = {*_BELOW, "tests", "benchmarks"}
    upward = [
        f"{path.relative_to(_ROOT)} imports {name}"
        for path, name in _imports(package)
        if name.partition(".")[0] in ours - allowed
    ]
    assert upward == []


@pytest.mark.parametrize("package", sorted({*_BELOW} - _KNOW_BEAM))
def test_only_the_upper_layers_know_beam(package: str) -> None:
    assert [name for _, name in _imports(package) if name.startswith("apache_beam")] == []


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("beam_pipeline.pipeline", "tensorflow"),
        ("beam_pipeline.label", "tensorflow"),
        ("beam_pipeline.command_line", "apache_beam"),
        ("imagebeam", "apache_beam"),
        ("beam_pipeline.command_line", "numpy"),
    ],
)
def test_importing_a_module_leaves_heavy_libraries_alone(module: str, absent: str) -> None:
    code = f"import sys, {module}; sys.exit('{absent}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=_ROOT, check=False).returncode == 0
