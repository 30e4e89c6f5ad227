"""The two table formats, with catalogues and folders of this machine."""

from pathlib import Path

import pytest

from tests.tables.tables import DeltaKind, IcebergKind, Kind, unused


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a catalogue in a file of SQLite that pyiceberg finds."""
    name = f"local{unused()}"
    (tmp_path / "warehouse").mkdir()
    prefix = f"PYICEBERG_CATALOG__{name.upper()}"
    monkeypatch.setenv(f"{prefix}__URI", f"sqlite:///{tmp_path}/catalogue.db")
    monkeypatch.setenv(f"{prefix}__WAREHOUSE", f"file://{tmp_path}/warehouse")
    return name


@pytest.fixture(params=["delta", "iceberg"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Return a table format with tables that do not exist yet."""
    if request.param == "delta":
        return DeltaKind(tmp_path / "lake")
    return IcebergKind(request.getfixturevalue("catalogue"))
