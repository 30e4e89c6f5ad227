"""Test tables in a bucket, reached with the credentials of outputs."""

from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from imagebeam.storage import location
from imagebeam.tables import credentials
from tests.storage.relay import Always, Exchange, Relay, Reply
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


def test_delta_lake_commits_to_s3(tmp_path: Path, profile: str) -> None:
    place = location(f"{profile}/{unused()}")
    kind = DeltaKind(place, credentials.delta_options(place))
    output(tmp_path / "out", _IMAGES, ["bad.jpg"])
    kind.commit(tmp_path / "out")
    output(tmp_path / "out", [*_IMAGES, "bad.jpg"])
    kind.commit(tmp_path / "out")
    assert kind.uris() == ([*_IMAGES, "bad.jpg"], [])
    assert all(name.startswith(f"{place}/labels/") for name in kind.files())


def _as_json_request(exchange: Exchange, server: str) -> None:
    """Answer a request for an object by the XML interface, which fake-gcs-server does not have."""
    _, bucket, *name = exchange.path.split("/", 2)
    if not name:
        # It does have the listing.
        answer = requests.get(f"{server}/{bucket}", params=exchange.query, timeout=30)
        exchange.reply(Reply(answer.status_code, {}, answer.content))
        return
    url = f"{server}/storage/v1/b/{bucket}/o/{quote(name[0], safe='')}"
    match exchange.method:
        case "PUT":
            wanted = exchange.headers.get("x-goog-if-generation-match")
            parameters = {"uploadType": "media", "name": name[0]}
            parameters |= {} if wanted is None else {"ifGenerationMatch": wanted}
            url = f"{server}/upload/storage/v1/b/{bucket}/o"
            answer = requests.post(url, exchange.body, params=parameters, timeout=30)
        case "DELETE":
            answer = requests.delete(url, timeout=30)
        case _:
            ranged = {k: v for k, v in exchange.headers.items() if k.lower() == "range"}
            answer = requests.get(url, params={"alt": "media"}, headers=ranged, timeout=30)
    kept = ("Content-Range", "Content-Type")
    headers = {name: answer.headers[name] for name in kept if name in answer.headers}
    headers |= {"ETag": '"1"', "Last-Modified": "Fri, 27 Nov 2026 00:00:00 GMT"}
    length = {"Content-Length": str(len(answer.content))} if exchange.method == "HEAD" else {}
    exchange.reply(Reply(answer.status_code, headers | length, answer.content))


def test_delta_lake_commits_to_google_cloud_storage(
    tmp_path: Path, gcs_bucket: str, gcs_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Relay(gcs_server).running() as relay:
        relay.faults = Always([lambda exchange: _as_json_request(exchange, gcs_server)])
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", relay.address)
        place = location(f"{gcs_bucket}/{unused()}")
        options = credentials.delta_options(place)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server)
        kind = DeltaKind(place, options)
        output(tmp_path / "out", _IMAGES, ["bad.jpg"])
        kind.commit(tmp_path / "out")
        output(tmp_path / "out", [*_IMAGES, "bad.jpg"])
        kind.commit(tmp_path / "out")
        assert kind.uris() == ([*_IMAGES, "bad.jpg"], [])
        assert [each.snapshot for each in kind.commit(tmp_path / "out")] == [None, None]


def test_iceberg_commits_to_s3(
    tmp_path: Path, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_iceberg_commits_to_google_cloud_storage(
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
