"""Test the credentials of requests to Dataflow, with servers for Google's on this machine."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from apache_beam.options.pipeline_options import PipelineOptions
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from imagebeam.beam_pipeline.runners import dataflow

_IAM = "iamcredentials.googleapis.com"


@dataclass
class _Google:
    """The token server, the IAM service behind a proxy, and Dataflow, on one port.

    Attributes:
        requests: method, path, bearer token and body of each, in order.
    """

    tls: ssl.SSLContext
    requests: list[tuple[str, str, str | None, Any]] = field(default_factory=list)
    address: str = ""

    @contextmanager
    def running(self) -> Iterator[None]:
        google = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                assert self.path == f"{_IAM}:443"
                self.send_response(200)
                self.end_headers()
                self.connection = google.tls.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", buffering=0)
                self.close_connection = False

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"]))
                is_json = self.headers["Content-Type"] == "application/json"
                google.requests.append(
                    (*self._seen(), json.loads(text) if is_json else text.decode())
                )
                if self.path == "/token":
                    self._answer({"access_token": "own", "expires_in": 3600})
                else:
                    late = "2100-01-01T00:00:00Z"
                    self._answer({"accessToken": "of the last account", "expireTime": late})

            def do_GET(self) -> None:
                if self.path.endswith("/allowedLocations"):
                    # The library asks for this in a thread of its own.
                    self._answer({"encodedLocations": "0x0", "locations": []})
                    return
                google.requests.append((*self._seen(), None))
                self._answer({"currentState": "JOB_STATE_DONE"})

            def finish(self) -> None:
                super().finish()
                self.connection.close()

            def _seen(self) -> tuple[str, str, str | None]:
                return self.command, self.path, self.headers["Authorization"]

            def _answer(self, value: dict[str, Any]) -> None:
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        before = {*threading.enumerate()}
        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.address = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield
            for other in {*threading.enumerate()} - before - {thread}:
                other.join()
            server.shutdown()
            thread.join()


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Google]:
    """Yield Google's servers; the process has the key of a service account that they know."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(_IAM).configure_cert(tls)
    google = _Google(tls)
    with google.running():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        account = {
            "type": "service_account",
            "client_email": "own@project.iam.gserviceaccount.com",
            "private_key": key.decode(),
            "token_uri": f"{google.address}/token",
        }
        (tmp_path / "key.json").write_text(json.dumps(account))
        for name, value in {
            "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json"),
            "HTTPS_PROXY": google.address,
            "NO_PROXY": "127.0.0.1",
            "REQUESTS_CA_BUNDLE": str(tmp_path / "authority.pem"),
        }.items():
            monkeypatch.setenv(name, value)
            monkeypatch.delenv(name.lower(), raising=False)
        yield google


def _asked(google: _Google, *options: str) -> list[tuple[str, str, str | None, Any]]:
    """Return the requests that asking for the state of a job makes, after those for tokens."""
    job = f"{google.address}/v1b3/projects/p/locations/r/jobs/1"
    assert not dataflow.cancel(job, PipelineOptions([*options]))
    [own, *others] = google.requests
    assert own[:2] == ("POST", "/token")
    return others


def test_requests_have_the_token_of_the_key(google: _Google) -> None:
    [request] = _asked(google)
    assert request == ("GET", "/v1b3/projects/p/locations/r/jobs/1", "Bearer own", None)


def test_requests_have_the_token_of_the_last_account_that_is_impersonated(google: _Google) -> None:
    first, second, last = (f"{name}@project.iam.gserviceaccount.com" for name in "abc")
    impersonated, request = _asked(google, f"--impersonate_service_account={first},{second},{last}")
    method, path, token, body = impersonated
    assert (method, path) == (
        "POST",
        f"/v1/projects/-/serviceAccounts/{last}:generateAccessToken",
    )
    assert token == "Bearer own"
    assert body["delegates"] == [f"projects/-/serviceAccounts/{name}" for name in (first, second)]
    assert "https://www.googleapis.com/auth/cloud-platform" in body["scope"]
    assert request[2] == "Bearer of the last account"
