"""Test that the private names of other libraries that `imagebeam.storage` uses still exist.

Each failure says what has to be looked at before the new release of that library is allowed.
"""

import http.client
import inspect
import io
import socket

import pytest
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from imagebeam.storage.http.connections import TimedConnection, TimedResponse, timed_pools


def test_http_client_reads_responses_from_a_detachable_file() -> None:
    left, right = socket.socketpair()
    with left, right:
        right.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
        response = http.client.HTTPResponse(left)
        assert isinstance(response.fp, io.BufferedReader), (
            "http.client.HTTPResponse.fp is no buffered reader any more: "
            "TimedResponse in storage/http/connections.py must wrap what replaced it, "
            "or a server that trickles beats every deadline"
        )
        timed = TimedResponse(left)
        timed.begin()
        assert timed.read() == b"x"


def test_http_client_closes_a_complete_response_through_close_conn() -> None:
    assert list(inspect.signature(http.client.HTTPResponse._close_conn).parameters) == ["self"], (  # type: ignore[attr-defined]
        "http.client.HTTPResponse._close_conn has changed: ExactResponse in "
        "storage/http/connections.py no longer notices bytes behind the announced end"
    )
    left, right = socket.socketpair()
    closed = []

    class Response(http.client.HTTPResponse):
        def _close_conn(self) -> None:
            closed.append(self.length)
            super()._close_conn()  # type: ignore[misc]

    with left, right:
        right.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
        response = Response(left)
        response.begin()
        response.read(1)
    assert closed[:1] == [0], (
        "http.client no longer calls _close_conn at the end of a body: ExactResponse in "
        "storage/http/connections.py no longer notices bytes behind the announced end"
    )


def test_urllib3_makes_its_socket_in_new_conn() -> None:
    made = []

    class Connection(TimedConnection, HTTPConnection):
        def _new_conn(self) -> socket.socket:
            made.append((self.host, self.port))
            raise OSError("not today")

    with pytest.raises(OSError, match="not today"):
        Connection("a.example", 80).connect()
    assert made == [("a.example", 80)], (
        "urllib3 no longer makes its socket in HTTPConnection._new_conn: storage/http/pools.py "
        "must connect to the checked address in another way, or private hosts become reachable"
    )


def test_boto3_accepts_our_connections() -> None:
    boto3 = pytest.importorskip("boto3", reason="the extra s3 is not installed")
    from botocore.awsrequest import AWSHTTPConnectionPool, AWSHTTPSConnectionPool

    from imagebeam.storage.http.connections import use_timed_pools

    client = boto3.session.Session("id", "secret").client("s3", region_name="us-east-1")
    pools = timed_pools(AWSHTTPConnectionPool, AWSHTTPSConnectionPool)
    use_timed_pools(client, pools)
    manager = client._endpoint.http_session._manager
    assert manager.pool_classes_by_scheme["https"] is pools["https"], (
        "boto3's client no longer makes connections from "
        "_endpoint.http_session._pool_classes_by_scheme: use_timed_pools in "
        "storage/http/connections.py must hand them over in another way, or deadlines of s3:// end"
    )


def test_google_cloud_storage_accepts_a_session() -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    session = object()
    client = Client("none", AnonymousCredentials(), _http=session)
    assert client._http is session, (
        "google.cloud.storage.Client no longer takes a session as `_http`: storage/gcs.py must "
        "hand its own over in another way, or deadlines of gs:// end"
    )


def test_timed_pools_make_timed_connections() -> None:
    pool = timed_pools(HTTPConnectionPool)["http"]("a.example")
    connection = pool.ConnectionCls("a.example")
    assert isinstance(connection, TimedConnection)
    assert connection.response_kind is TimedResponse
