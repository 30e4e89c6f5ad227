"""Check the installed versions for known problems."""

import platform
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.version import __version__

_PACKAGES = {
    "Beam": "apache-beam",
    "LiteRT": "ai-edge-litert",
    "TensorFlow": "tensorflow",
    "Pillow": "pillow",
    "PyArrow": "pyarrow",
}
_SOUND_PILLOW = 13
_TESTED_PYTHON = (3, 11)


def check_versions() -> Iterator[Finding]:
    """Yield one line for all versions, and one for each known problem."""
    held = {"imagebeam": __version__, "Python": platform.python_version()}
    for name, package in _PACKAGES.items():
        with suppress(PackageNotFoundError):
            held[name] = version(package)
    message = ", ".join(f"{name} {held[name]}" for name in held)
    yield Finding("versions", FindingState.OK, message, held)
    if sys.version_info[:2] != _TESTED_PYTHON:
        yield Finding(
            "python",
            FindingState.WARNING,
            f"Python {held['Python']}: the tests run on "
            f"{'.'.join(map(str, _TESTED_PYTHON))}. Use that where rows must be the same.",
        )
    if (fault := pillow_fault(held["Pillow"])) is not None:
        yield Finding("pillow", FindingState.WARNING, fault)


def pillow_fault(pillow: str) -> str | None:
    """Return the known problem of a version of Pillow and its fix; None if there is none."""
    if int(pillow.partition(".")[0]) >= _SOUND_PILLOW:
        return None
    return (
        f"Pillow {pillow}: its decoders have vulnerabilities that {_SOUND_PILLOW}.0.0 fixes "
        "(GHSA-8g5g-8vmr-9782, GHSA-5x8w-8jj5-q52h); a picture could exploit them in the process "
        "that decodes it. Beam requires pillow<13 but runs with it: "
        f"pip install --no-deps pillow=={_SOUND_PILLOW}.0.0."
    )
