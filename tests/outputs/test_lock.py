import itertools
import json
import os
import socket
import subprocess
import sys
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.lease import Lease, LeaseTakenError, LeaseTiming
from imagebeam.outputs.lock import held, is_held
from imagebeam.storage import AnyPath, location, store_for
from tests.beam_pipeline.jobs import ROOT
from tests.storage.relay import Exchange, Fault, Relay, Reply

NEVER = 1e9


@pytest.fixture(params=["gcs_bucket", "s3_bucket"])
def uri(request: pytest.FixtureRequest) -> str:
    """Return an unused name."""
    return f"{request.getfixturevalue(request.param)}/{uuid.uuid4().hex}/lease.json"


PATIENT = LeaseTiming(renewed=0.05, expires=NEVER, look=0.01)
HASTY = LeaseTiming(renewed=0.05, expires=0.1, look=0.01)


@contextmanager
def leased(uri: str, timing: LeaseTiming = PATIENT) -> Iterator[None]:
    lease = Lease(uri, timing)
    lease.take()
    yield
    lease.release()


def is_leased(uri: str, timing: LeaseTiming = PATIENT) -> bool:
    return Lease(uri, timing).watch()[1]


def of_another(uri: str, **values: object) -> bytes:
    """Write the lease of a process on another machine."""
    data = json.dumps({"id": "1", "host": "far", "process": 7, "machine": "m"} | values).encode()
    store_for(uri).write(uri, data)
    return data


def content(uri: str) -> bytes | None:
    path = location(uri)
    return path.read_bytes() if path.exists() else None


def test_only_one_process_holds_the_lock_and_no_file_remains(uri: str) -> None:
    assert not is_leased(uri)
    for _ in range(2):
        with leased(uri):
            with pytest.raises(LeaseTakenError) as caught, leased(uri):
                pass
            assert str(caught.value) == f"process {os.getpid()} on {socket.gethostname()}"
            assert is_leased(uri)
        assert content(uri) is None


def test_the_lease_of_a_process_killed_on_this_machine_is_released_at_once(uri: str) -> None:
    program = (
        "import sys, time; from imagebeam.outputs.lease import Lease\n"
        "Lease(sys.argv[1]).take(); print(flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, uri], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"\n"
    with pytest.raises(LeaseTakenError, match=f"process {holder.pid} on "), leased(uri):
        pass
    holder.kill()
    holder.communicate()
    assert not is_leased(uri)
    with leased(uri):
        pass
    assert content(uri) is None


@pytest.mark.parametrize("values", [{}, {"machine": ""}])
def test_a_lease_that_is_not_renewed_elsewhere_expires(uri: str, values: dict[str, object]) -> None:
    of_another(uri, **values)
    assert not is_leased(uri, HASTY)
    with leased(uri, HASTY):
        pass


def test_a_lease_whose_process_id_has_another_process_now_expires(uri: str) -> None:
    with leased(uri):
        holder = json.loads(content(uri) or b"")
    assert holder["process"] == os.getpid()
    of_another(uri, machine=holder["machine"], process=os.getppid())
    assert not is_leased(uri, HASTY)
    with leased(uri, HASTY):
        pass


def test_a_clock_that_jumps_forward_ends_no_lease_that_is_renewed(uri: str) -> None:
    hours = itertools.count(0.0, 3600.0)
    # The holder renews it several times between two looks.
    timing = LeaseTiming(renewed=0.01, expires=30.0, look=0.5, clock=lambda: next(hours))
    with leased(uri, timing):
        assert is_leased(uri, timing)
        with pytest.raises(LeaseTakenError), leased(uri, timing):
            pass
    of_another(uri)
    assert not is_leased(uri, timing)


@pytest.mark.parametrize("rubbish", [b"", b"[]", b"{"])
def test_an_unreadable_lease_expires(uri: str, rubbish: bytes) -> None:
    store_for(uri).write(uri, rubbish)
    with leased(uri, HASTY):
        pass


def test_a_holder_that_lost_its_lease_does_not_remove_the_next_one(uri: str) -> None:
    with leased(uri):
        theirs = of_another(uri)
    assert content(uri) == theirs


def test_a_second_run_is_refused_while_one_writes(root: AnyPath) -> None:
    layout = Layout(root)
    with held(layout, PATIENT):
        assert is_held(layout, PATIENT)
        refused = pytest.raises(OutputError, match=f"^{root}: another run is writing to it")
        with refused, held(layout, PATIENT):
            pass
    assert not is_held(layout)
    with held(layout):
        pass


@pytest.mark.parametrize("kind", ["gcs_bucket", "s3_bucket"])
def test_a_missing_bucket_is_refused(kind: str, request: pytest.FixtureRequest) -> None:
    root = location(f"{request.getfixturevalue(kind)}-never/labels")
    with pytest.raises(OutputError) as caught, held(Layout(root)):
        pass
    assert str(caught.value).startswith(f"{root}: there is no such ")
    assert str(caught.value).endswith(" bucket. Choose an --output that can be written.")


class _Always(deque[Fault]):
    """The same fault for every request."""

    def popleft(self) -> Fault:
        return self[0]


def _without_conditions(exchange: Exchange) -> None:
    if {"If-Match", "If-None-Match"} & {*exchange.headers} and "PUT" in exchange.method:
        body = b"<Error><Code>NotImplemented</Code><Message>no</Message></Error>"
        exchange.reply(Reply(501, {"Content-Type": "application/xml"}, body))
    else:
        exchange.reply(exchange.ask())


def test_a_store_without_conditional_writes_has_a_weaker_guard(
    s3_bucket: str,
    s3_server: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Relay(s3_server).running() as relay:
        relay.faults = _Always([_without_conditions])
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", relay.address)
        uri = f"{s3_bucket}/{uuid.uuid4().hex}/lease.json"
        with leased(uri):
            assert [record.getMessage() for record in caplog.records] == [
                f"imagebeam: {uri}: this store has no conditional writes, so two runs that start "
                "at once are not kept apart. Make sure that only one writes to this output."
            ]
            with pytest.raises(LeaseTakenError), leased(uri):
                pass
        assert content(uri) is None
        of_another(uri)
        with leased(uri, HASTY):
            pass
