"""The places that an output can be in."""

import uuid
from pathlib import Path

import pytest

from imagebeam.storage import AnyPath, location


@pytest.fixture(params=["folder", "bucket"])
def root(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AnyPath:
    """Return an unused name: of a local folder, and of objects in a bucket."""
    if request.param == "folder":
        return tmp_path / "out"
    return location(f"{request.getfixturevalue('gcs_bucket')}/{uuid.uuid4().hex}/out")
