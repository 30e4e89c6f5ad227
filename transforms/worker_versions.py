"""Whether a worker holds what the job was submitted with."""

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("imagebeam", "apache-beam", "ai-edge-litert", "pillow")


class WorkerMismatchError(RuntimeError):
    """A worker's environment is another than the submitter's; says how, and the cure."""


def held_versions() -> dict[str, str]:
    """What this process holds that rows depend on, and that therefore all workers must hold."""
    held = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for package in _PACKAGES:
        try:
            held[package] = version(package)
        except PackageNotFoundError:
            held[package] = "none"
    return held


def check_versions(submitted: dict[str, str]) -> None:
    """See that this process holds what the submitter held.

    Raises:
        WorkerMismatchError: it does not: rows could differ, or steps not be understood.
    """
    held = held_versions()
    differences = [
        f"{name} {held[name]} and not {wanted}"
        for name, wanted in submitted.items()
        if held[name] != wanted
    ]
    if differences:
        raise WorkerMismatchError(
            f"a worker holds {', '.join(differences)} as the submitter does. Submit from the same "
            "versions, or name an image that holds the submitter's by --sdk_container_image"
        )
