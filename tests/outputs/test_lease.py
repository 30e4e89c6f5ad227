import json
import os
import socket
import subprocess
import sys
import uuid

import pytest

from imagebeam.outputs.layout import Layout, OutputError
from imagebeam.outputs.lease import TakenError, is_leased, leased
from imagebeam.outputs.lock import held, is_held
from imagebeam.storage import AnyPath, location, store_for
from tests.beam_pipeline.jobs import ROOT

NEVER = 1e9


@pytest.fixture(params=["gcs_bucket", "s3_bucket"])
def uri(request: pytest.FixtureRequest) -> str:
    """A name under which nothing is yet."""
    return f"{request.getfixturevalue(request.param)}/{uuid.uuid4().hex}/lease.json"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagebeam.outputs.lease.RENEWED_SECONDS", 0.05)
    monkeypatch.setattr("imagebeam.outputs.lease._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("imagebeam.outputs.lease.EXPIRES_SECONDS", NEVER)


def of_another(uri: str, **values: object) -> bytes:
    """Leave what a process on another machine has left."""
    data = json.dumps({"id": "1", "host": "far", "process": 7, "machine": "m"} | values).encode()
    store_for(uri).write(uri, data)
    return data


def content(uri: str) -> bytes | None:
    path = location(uri)
    return path.read_bytes() if path.exists() else None


def test_one_at_a_time_and_nothing_is_left(uri: str) -> None:
    assert not is_leased(uri)
    for _ in range(2):
        with leased(uri):
            with pytest.raises(TakenError) as caught, leased(uri):
                pass
            assert str(caught.value) == f"process {os.getpid()} on {socket.gethostname()}"
            assert is_leased(uri)
        assert content(uri) is None


def test_of_one_who_was_killed_on_this_machine_it_is_free_at_once(uri: str) -> None:
    program = (
        "import sys, time; from imagebeam.outputs.lease import leased\n"
        "with leased(sys.argv[1]): print(flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, uri], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"\n"
    with pytest.raises(TakenError, match=f"process {holder.pid} on "), leased(uri):
        pass
    holder.kill()
    holder.communicate()
    assert not is_leased(uri)
    with leased(uri):
        pass
    assert content(uri) is None


@pytest.mark.parametrize("values", [{}, {"machine": ""}])
def test_of_one_elsewhere_who_does_not_renew_it_is_free_in_the_end(
    uri: str, values: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_another(uri, **values)
    monkeypatch.setattr("imagebeam.outputs.lease.EXPIRES_SECONDS", 0.1)
    assert not is_leased(uri)
    with leased(uri):
        pass


@pytest.mark.parametrize("rubbish", [b"", b"[]", b"{"])
def test_what_cannot_be_read_holds_nobody_up_for_long(
    uri: str, rubbish: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_for(uri).write(uri, rubbish)
    monkeypatch.setattr("imagebeam.outputs.lease.EXPIRES_SECONDS", 0.1)
    with leased(uri):
        pass


def test_whoever_lost_it_leaves_it_to_the_next(uri: str) -> None:
    with leased(uri):
        theirs = of_another(uri)
    assert content(uri) == theirs


def test_a_second_run_is_refused_while_one_writes(
    root: AnyPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagebeam.outputs.lease.EXPIRES_SECONDS", NEVER)
    layout = Layout(root)
    with held(layout):
        assert is_held(layout)
        refused = pytest.raises(OutputError, match=f"^{root}: another run is writing to it")
        with refused, held(layout):
            pass
    assert not is_held(layout)
    with held(layout):
        pass


@pytest.mark.parametrize("kind", ["gcs_bucket", "s3_bucket"])
def test_a_bucket_that_is_not_there_is_refused(kind: str, request: pytest.FixtureRequest) -> None:
    root = location(f"{request.getfixturevalue(kind)}-never/labels")
    with pytest.raises(OutputError) as caught, held(Layout(root)):
        pass
    assert str(caught.value).startswith(f"{root}: there is no such ")
    assert str(caught.value).endswith(" bucket. Choose an --output that can be written.")
