"""Build a wheel of our package for the workers of a cluster."""

import base64
import hashlib
import os
import re
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions, version
from importlib.util import find_spec
from pathlib import Path

from imagebeam.beam_pipeline.exit_codes import UsageError

_PACKAGE = "imagebeam"
_NOT_FOR_WORKERS = {
    *("beam_pipeline", "evaluation", "mobilenet_v1", "report", "samples", "tables", "training")
}
"""Subpackages that no step of the job imports."""
_EXACT = ("ai-edge-litert", "pillow")
"""Packages on whose versions the values of rows depend."""
_WHEEL = "Wheel-Version: 1.0\nGenerator: imagebeam\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def build_wheel(folder: Path) -> Path:
    """Write a reproducible wheel of the installed or checked-out package; return its path.

    It contains what the steps of the job import. Building it needs neither the sources nor build
    tools.

    Raises:
        UsageError: the package is not installed, so its metadata is missing.
    """
    # In a checkout, metadata of an older build may come first.
    installations = list(distributions(name=_PACKAGE))
    if not installations:
        raise UsageError(
            f"{_PACKAGE}: not installed, so it cannot be sent to workers. Run `pip install` on it."
        )
    installed = installations[-1]
    information = f"{_PACKAGE}-{installed.version}.dist-info"
    contents = {name: path.read_bytes() for name, path in _files()} | {
        f"{information}/METADATA": _metadata(installed).encode(),
        f"{information}/WHEEL": _WHEEL.encode(),
        f"{information}/top_level.txt": _PACKAGE.encode(),
    }
    record = f"{information}/RECORD"
    contents[record] = _record(contents, record).encode()
    wheel = folder / f"{_PACKAGE}-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            # A fixed date makes equal packages equal files.
            archive.writestr(_entry(name), data)
    return wheel


def _metadata(installed: Distribution) -> str:
    """Return metadata that makes pip install the versions on which the values of rows depend."""
    # An editable install has its metadata under an older name.
    text = installed.read_text("METADATA") or installed.read_text("PKG-INFO") or ""
    head, blank, body = text.partition("\n\n")
    # Workers have Beam already. With Beam as a requirement, pip would downgrade Pillow for it.
    other = [line for line in head.split("\n") if not _REQUIRED.match(line)]
    exact = [f"Requires-Dist: {package}=={version(package)}" for package in _EXACT]
    return "\n".join((*other, *exact)) + blank + body


_REQUIRED = re.compile(rf"Requires-Dist: (?:apache-beam|{'|'.join(_EXACT)})\b(?!.*extra ==)")


def _files() -> Iterator[tuple[str, Path]]:
    """Yield the files that workers need, with their names in the wheel."""
    spec = find_spec(_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    for folder, subfolders, names in os.walk(root, followlinks=True):
        excluded = {"__pycache__"} | (_NOT_FOR_WORKERS if Path(folder) == root else set())
        subfolders[:] = sorted({*subfolders} - excluded)
        for path in (Path(folder, name) for name in sorted(names)):
            yield path.relative_to(root.parent).as_posix(), path


def _record(contents: dict[str, bytes], record: str) -> str:
    lines = [f'"{name}",sha256={_digest(data)},{len(data)}\n' for name, data in contents.items()]
    return "".join((*lines, f"{record},,\n"))


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
