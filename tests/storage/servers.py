"""Servers of buckets on loopback, each with one empty bucket."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import requests

from tests.engines.tools import free_port, listens, tool, wait_until

BUCKET = "pictures"

S3_KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


@contextmanager
def gcs_server() -> Iterator[str]:
    """Yield the address of a fake-gcs-server with a bucket."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [
        *(str(tool("bin/fake-gcs-server")), "-backend", "memory", "-scheme", "http"),
        *("-host", "127.0.0.1", "-port", str(port), "-log-level", "error"),
        # The server answers an upload of a large object with this address.
        *("-external-url", address, "-public-host", address.removeprefix("http://")),
    ]
    with subprocess.Popen(command) as server:
        try:
            wait_until(lambda: listens(port), "fake-gcs-server does not listen")
            made = requests.post(f"{address}/storage/v1/b", json={"name": BUCKET}, timeout=60)
            made.raise_for_status()
            yield address
        finally:
            server.terminate()


@contextmanager
def s3_server() -> Iterator[str]:
    """Yield the address of moto's S3 with a bucket."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: listens(port), "moto does not listen")
            client = boto3.client("s3", "us-east-1", endpoint_url=address, **S3_KEYS)
            client.create_bucket(Bucket=BUCKET)
            yield address
        finally:
            server.terminate()
