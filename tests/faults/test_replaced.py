"""Test objects that are replaced in a bucket after they were listed and before they are read."""

import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
import requests

from imagebeam.outputs.verify import verify
from imagebeam.storage import registry, store_for
from tests.beam_pipeline.jobs import archive, errors, imagebeam, predictions
from tests.storage.relay import Exchange, Fault, Relay, honest
from tests.storage.servers import BUCKET, S3_KEYS


class _Replacing(deque[Fault]):
    """Replaces an object when it is read for the first time."""

    def __init__(self, name: str, replace: Callable[[], object]) -> None:
        super().__init__([self._answer])
        self._name = name
        self._replace = replace
        self.replaced = False

    def popleft(self) -> Fault:
        return self[0]

    def _answer(self, exchange: Exchange) -> None:
        if exchange.method == "GET" and exchange.path.endswith(self._name) and not self.replaced:
            self.replaced = True
            self._replace()
        honest(exchange)


def _write(server: str, kind: str, name: str, data: bytes) -> None:
    """Write an object past the relay, as another program does."""
    if kind == "s3":
        client = boto3.client("s3", "us-east-1", endpoint_url=server, **S3_KEYS)
        client.put_object(Bucket=BUCKET, Key=name, Body=data)
    else:
        upload = f"{server}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}"
        requests.post(upload, data=data, timeout=60).raise_for_status()


@pytest.mark.parametrize("kind", ["gcs", "s3"])
def test_an_object_replaced_after_listing_is_an_error_row_until_it_is_tried_again(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = request.getfixturevalue(f"{kind}_bucket")
    server = request.getfixturevalue(f"{kind}_server")
    folder, output = uuid.uuid4().hex, tmp_path / "out"
    archive(tmp_path / "in", 3)
    first, second, third = (path.read_bytes() for path in sorted((tmp_path / "in").rglob("*.jpg")))
    for name, data in (("kept.jpg", first), ("replaced.jpg", second)):
        store_for(f"{bucket}/").write(f"{bucket}/{folder}/{name}", data)
    address = f"{folder}/replaced.jpg"
    with Relay(server).running() as relay:
        relay.faults = replacing = _Replacing(
            "replaced.jpg", lambda: _write(server, kind, address, third)
        )
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", relay.address)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", relay.address)
        registry.forget_stores()
        job = ("label", f"{bucket}/{folder}/", "--output", output)
        assert imagebeam(*job) == 0
        assert replacing.replaced
        assert [row["uri"] for row in predictions(output)] == [f"{bucket}/{folder}/kept.jpg"]
        assert [(row["uri"], row["code"]) for row in errors(output)] == [
            (f"{bucket}/{address}", "changed")
        ]
        assert verify(output) == []
        assert imagebeam(*job, "--retry-failed", "changed") == 0
    # It has the label of the bytes that are there now.
    store_for(f"{bucket}/").write(f"{bucket}/{folder}-now/replaced.jpg", third)
    now = tmp_path / "now"
    assert imagebeam("label", f"{bucket}/{folder}-now/", "--output", now) == 0
    [row] = [row for row in predictions(output) if row["uri"].endswith("replaced.jpg")]
    [expected] = predictions(now)
    assert (row["label"], row["score"]) == (expected["label"], expected["score"])
    assert verify(output) == []
