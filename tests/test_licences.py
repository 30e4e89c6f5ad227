"""Test the licences of all packages of an installation."""

import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

_REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"

_ALLOWED = re.compile(
    r"apache|\bbsd\b|bsd-|0bsd|\bmit\b|mit-|\bisc\b|psf|python software|zlib|cc0|unlicense"
    # Copyleft per file: changes to their files must be published, programs that use them not.
    r"|mpl|mozilla public",
    re.IGNORECASE,
)

_WITHOUT_METADATA = {"namex": "Apache-2.0"}
"""Packages that state no licence in their metadata, with the licence of their repository."""


def _names() -> list[str]:
    lines = _REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return [match[1] for line in lines if (match := re.match(r"([\w.-]+)==", line))]


def _licences(name: str) -> list[str]:
    stated: Any = metadata.metadata(name)
    if expression := stated.get("License-Expression"):
        return re.split(r" AND | OR ", expression)
    prefix = "License :: "
    classifiers = [
        each.removeprefix(prefix).removeprefix("OSI Approved :: ")
        for each in stated.get_all("Classifier") or []
        if each.startswith(prefix) and each != "License :: OSI Approved"
    ]
    return classifiers or [line for line in (stated.get("License") or "").splitlines()[:1] if line]


@pytest.mark.parametrize("name", _names())
def test_every_dependency_has_a_permissive_licence(name: str) -> None:
    try:
        licences = _licences(name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    if not licences:
        licences = [_WITHOUT_METADATA[name]]
    assert [licence for licence in licences if not _ALLOWED.search(licence)] == []
