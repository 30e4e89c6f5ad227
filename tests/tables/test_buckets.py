"""Test tables in a bucket, reached with the credentials of outputs."""

from pathlib import Path

import pytest

from imagebeam.storage import location
from imagebeam.tables import credentials
from tests.tables.tables import DeltaKind, IcebergKind, output, unused


@pytest.fixture
def profile(s3_bucket: str, s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a bucket whose keys and server are only in a profile of ~/.aws."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    config = tmp_path / "aws-config"
    config.write_text(
        "[profile lake]\nregion = us-east-1\naws_access_key_id = testing\n"
        f"aws_secret_access_key = testing\nendpoint_url = {s3_server}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "lake")
    return s3_bucket


_IMAGES = ["a.jpg", "b.jpg"]


def test_delta_lake_in_s3(tmp_path: Path, profile: str) -> None:
    place = location(f"{profile}/{unused()}")
    kind = DeltaKind(place, credentials.delta_options(place))
    output(tmp_path / "out", _IMAGES, ["bad.jpg"])
    kind.commit(tmp_path / "out")
    output(tmp_path / "out", [*_IMAGES, "bad.jpg"])
    kind.commit(tmp_path / "out")
    assert kind.uris() == ([*_IMAGES, "bad.jpg"], [])
    assert all(name.startswith(f"{place}/labels/") for name in kind.files())


def test_iceberg_in_s3(tmp_path: Path, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = unused()
    prefix = f"PYICEBERG_CATALOG__{name.upper()}"
    monkeypatch.setenv(f"{prefix}__URI", f"sqlite:///{tmp_path}/catalogue.db")
    monkeypatch.setenv(f"{prefix}__WAREHOUSE", f"{profile}/{name}")
    kind = IcebergKind(name)
    output(tmp_path / "out", _IMAGES, ["bad.jpg"])
    kind.commit(tmp_path / "out")
    output(tmp_path / "out", [*_IMAGES, "bad.jpg"])
    kind.commit(tmp_path / "out")
    assert kind.uris() == ([*_IMAGES, "bad.jpg"], [])
    assert all(file.startswith(f"{profile}/{name}/") for file in kind.files())


def test_iceberg_in_google_cloud_storage(
    tmp_path: Path, gcs_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unused()
    prefix = f"PYICEBERG_CATALOG__{name.upper()}"
    monkeypatch.setenv(f"{prefix}__URI", f"sqlite:///{tmp_path}/catalogue.db")
    monkeypatch.setenv(f"{prefix}__WAREHOUSE", f"{gcs_bucket}/{name}")
    kind = IcebergKind(name)
    output(tmp_path / "out", _IMAGES, ["bad.jpg"])
    kind.commit(tmp_path / "out")
    assert kind.uris() == (_IMAGES, ["bad.jpg"])


def test_the_properties_of_a_catalogue_count_more(profile: str) -> None:
    found = credentials.iceberg_properties({})
    assert found["s3.access-key-id"] == found["s3.secret-access-key"] == "testing"
    assert credentials.iceberg_properties({"s3.endpoint": "http://minio:9000"}) == {}
    assert credentials.iceberg_properties({"warehouse": "file:///lake"}) == {}
