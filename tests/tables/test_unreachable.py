"""Test what a commit says about catalogues and buckets that do not answer."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagebeam.storage import location
from imagebeam.tables import credentials, iceberg
from imagebeam.tables.delta import Delta
from imagebeam.tables.table import TableError, fix_for
from tests.engines.tools import free_port
from tests.tables.tables import IcebergKind, output, unused


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        pytest.param({"URI": "sqlite:////no/such/folder/c.db"}, "unable to open", id="file"),
        pytest.param({"URI": "http://{place}/", "TYPE": "rest"}, "Connection refused", id="server"),
    ],
)
def test_a_catalogue_that_cannot_be_reached_is_named(
    properties: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unused()
    for key, value in properties.items():
        text = value.format(place=f"127.0.0.1:{free_port()}")
        monkeypatch.setenv(f"PYICEBERG_CATALOG__{name.upper()}__{key}", text)
    with pytest.raises(TableError) as caught:
        iceberg.catalogue(name)
    message = str(caught.value)
    assert message.startswith(f"{name}: the catalogue cannot be opened: ")
    assert reason in message
    assert message.endswith("Check its properties in ~/.pyiceberg.yaml, and the network.")


def test_a_configuration_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / ".pyiceberg.yaml").write_text("catalog: [broken\n")
    command = [sys.executable, "-c", "import imagebeam.tables.iceberg"]
    environment = os.environ | {"PYICEBERG_HOME": str(tmp_path)}
    process = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "TableError: .pyiceberg.yaml: cannot be read: While scanning" in process.stderr


def test_a_catalogue_without_a_place_for_tables_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unused()
    monkeypatch.setenv(f"PYICEBERG_CATALOG__{name.upper()}__URI", f"sqlite:///{tmp_path}/c.db")
    output(tmp_path / "out", ["a.jpg"])
    with pytest.raises(TableError, match="Give the catalogue a property `warehouse`"):
        IcebergKind(name).commit(tmp_path / "out")


@pytest.mark.parametrize(
    ("bucket", "variable"),
    [("s3://none", "AWS_ENDPOINT_URL_S3"), ("gs://none", "STORAGE_EMULATOR_HOST")],
)
def test_a_bucket_that_cannot_be_reached_is_named(
    bucket: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    monkeypatch.setenv(variable, f"http://127.0.0.1:{free_port()}")
    place = location(f"{bucket}/lake/labels")
    with pytest.raises(TableError) as caught:
        Delta(place, credentials.delta_options(place, attempts=1))
    message = str(caught.value)
    assert message.startswith(f"{place}: ")
    assert "Connection refused" in message
    assert "Check the name, the credentials and the network" in message


def test_a_full_disk_needs_space() -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert fix_for(error, "name") == "Free space there, then run the same command again."
