"""Our own package as a wheel, for workers elsewhere to install."""

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
_EXACT = ("ai-edge-litert", "pillow")
"""What rows depend on besides our own code: another version may give other values."""
_WHEEL = "Wheel-Version: 1.0\nGenerator: imagebeam\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def build_wheel(folder: Path) -> Path:
    """Write a wheel of the package as it is installed here, or checked out; the same each time.

    It needs neither the sources nor anything to build them: what runs here is what is shipped.

    Raises:
        UsageError: the package is not installed, so nothing says what belongs to it.
    """
    # A checkout has what its last build left beside what is installed.
    found = list(distributions(name=_PACKAGE))
    if not found:
        raise UsageError(
            f"{_PACKAGE}: not installed, so it cannot be sent to workers. Run pip install on it."
        )
    installed = found[-1]
    information = f"{_PACKAGE}-{installed.version}.dist-info"
    packages = (installed.read_text("top_level.txt") or "").split()
    contents = {name: path.read_bytes() for name, path in _files(packages)} | {
        f"{information}/METADATA": _metadata(installed).encode(),
        f"{information}/WHEEL": _WHEEL.encode(),
        f"{information}/entry_points.txt": (installed.read_text("entry_points.txt") or "").encode(),
        f"{information}/top_level.txt": "\n".join(packages).encode(),
    }
    record = f"{information}/RECORD"
    contents[record] = _record(contents, record).encode()
    wheel = folder / f"{_PACKAGE}-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            # Without the time of day: the same package is the same file.
            archive.writestr(_entry(name), data)
    return wheel


def _metadata(installed: Distribution) -> str:
    """What pip is told on a worker: to install the versions that decide a row's values here."""
    # A checkout that is installed in place has it under setuptools' older name.
    text = installed.read_text("METADATA") or installed.read_text("PKG-INFO") or ""
    head, blank, body = text.partition("\n\n")
    # A worker brings Beam along; asked for, it would have pip put its old Pillow back.
    kept = [line for line in head.split("\n") if not _REQUIRED.match(line)]
    exact = [f"Requires-Dist: {package}=={version(package)}" for package in _EXACT]
    return "\n".join((*kept, *exact)) + blank + body


_REQUIRED = re.compile(rf"Requires-Dist: (?:apache-beam|{'|'.join(_EXACT)})\b(?!.*extra ==)")


def _files(packages: list[str]) -> Iterator[tuple[str, Path]]:
    for package in packages:
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        for folder, below, names in os.walk(root, followlinks=True):
            below[:] = sorted({*below} - {"__pycache__"})
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
