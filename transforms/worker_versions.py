"""Check that a worker has the versions that the job was submitted with."""

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("imagebeam", "apache-beam", "ai-edge-litert", "pillow")


class WorkerMismatchError(RuntimeError):
    """A worker has other versions than the submitter; the message says which, and the fix."""


def installed_versions() -> dict[str, str]:
    """Return the installed versions on which rows depend; all workers need the same."""
    installed = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for package in _PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            installed[package] = "none"
    return installed


def check_versions(submitted: dict[str, str]) -> None:
    """Raise WorkerMismatchError if versions differ: rows could differ, or unpickling fail."""
    installed = installed_versions()
    differences = [
        f"{name} {installed[name]} (submitter: {expected})"
        for name, expected in submitted.items()
        if installed[name] != expected
    ]
    if differences:
        raise WorkerMismatchError(
            f"a worker has {', '.join(differences)}. Install the same versions on both sides, or "
            "name an image with the submitter's versions by --sdk_container_image"
        )
