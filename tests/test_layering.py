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
_PARSERS = re.compile(
    r"(zlib|gzip|bz2|lzma|zipfile|zstandard|brotli|pyarrow\.(parquet|ipc|feather|csv|json|orc|dataset))"
    r"(\..*)?|google\.protobuf(\..*)?"
)
"""Libraries in C or C++ that parse or decompress what a file holds."""

_MAY_PARSE = {
    # In children: these modules, or the processes that import them, end with a flaw of a library.
    "images/containers/decompressors.py": "decompression and decoding processes use it",
    "images/containers/parquets.py": "processes that read tables use it",
    "images/containers/table_files.py": "processes that read tables use it",
    "images/containers/tables.py": "processes that read tables use it",
    "storage/http/content_codings_child.py": "it is the main function of such a process",
    # What the user chose, or this package wrote.
    "beam_pipeline/runners/beam_speed.py": "it reads the pickles that Beam made in this process",
    "beam_pipeline/runners/worker_package.py": "it packs this package for workers",
    "images/listing/columns.py": "it writes a table without rows, to see whether it can",
    "modules/appended_files.py": "module files are the user's choice",
    "modules/handles/archives.py": "archives of modules are the user's choice",
    "modules/label_maps.py": "the function that resolves escapes is written in Python",
    "modules/onnx/graph.py": "an unknown file is first read in a process of its own",
    "modules/tensorflow/saved_model_proto.py": "a SavedModel is a program",
    "modules/staging.py": "it packs a module for workers and unpacks it there",
    "modules/training_pictures.py": "its files are written by this package",
    "outputs/compaction/row_groups.py": "the output folder is trusted",
    "outputs/parts.py": "the output folder is trusted",
    "outputs/tfrecord_parts.py": "the output folder is trusted",
    "report/row_file.py": "it reads what it wrote itself",
    "storage/tfrecord.py": "outputs use its messages",
}
"""Modules that may use such libraries, each with the reason."""

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


def _parsers(path: Path) -> Iterator[str]:
    """Return the parsing libraries that a module uses: imports, and `pa.ipc` and the like."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom():
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            case ast.Attribute(value=ast.Name(id="pa")):
                names = [f"pyarrow.{node.attr}"]
                if node.attr in ("CompressedInputStream", "decompress", "input_stream"):
                    names = ["zlib"]
            case _:
                continue
        yield from (name for name in names if _PARSERS.fullmatch(name))


def test_only_processes_that_may_end_parse_what_strangers_wrote() -> None:
    root = _ROOT / "imagebeam"
    found = {
        f"{path.relative_to(root)}"
        for package in _BELOW
        for path in (root / package).rglob("*.py")
        if any(_parsers(path))
    }
    assert found == {*_MAY_PARSE}


@pytest.mark.parametrize(
    ("module", "importers"),
    [
        ("tables", {"table_child"}),
        ("arrow_images", {"table_child"}),
        ("parquets", {"table_child"}),
        ("table_files", {"tables", "arrow_images", "parquets"}),
        ("decompressors", {"decompression_child", "zip_methods"}),
    ],
)
def test_parsers_are_imported_by_the_main_functions_of_processes(
    module: str, importers: set[str]
) -> None:
    names = {f"imagebeam.images.containers.{module}", "imagebeam.images.containers"}
    found = {
        path.stem
        for path in (_ROOT / "imagebeam").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and node.module in names
        and (node.module.endswith(module) or module in {alias.name for alias in node.names})
    }
    assert found == importers
