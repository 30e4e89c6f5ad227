import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from imagebeam.child_process import serving
from imagebeam.service_process import READY, ProcessPool, ServiceProcess


def echo(descriptor: str, *arguments: str) -> None:
    """Answer each message with the process, the arguments and the message."""
    with serving(descriptor) as channel:
        channel.send(READY)
        while True:
            message = channel.receive()
            channel.send(b" ".join([b"%d" % os.getpid(), *map(str.encode, arguments), message]))


def leave(descriptor: str) -> None:
    """End before it is ready."""
    raise SystemExit(3)


@pytest.fixture
def pool() -> Iterator[ProcessPool]:
    made = ProcessPool("echoes", f"{__name__}:echo", idle=1)
    yield made
    made.end()


def _pid(process: ServiceProcess) -> int:
    process.channel.send(b"?")
    return int(process.channel.receive().split()[0])


def test_a_process_answers_and_gets_its_arguments() -> None:
    process = ServiceProcess(f"{__name__}:echo", "a b", 7)
    assert process.channel.receive() == READY
    process.channel.send(b"message")
    assert process.channel.receive().split(b" ", 1)[1] == b"a b 7 message"
    assert process.is_alive
    process.end()
    assert not process.is_alive


def test_ctrl_c_does_not_end_it_and_its_end_is_described() -> None:
    process = ServiceProcess(f"{__name__}:echo")
    process.channel.receive()
    pid = _pid(process)
    os.kill(pid, signal.SIGINT)
    assert _pid(process) == pid
    os.kill(pid, signal.SIGKILL)
    assert process.ending() == "signal Killed"
    process.end()


def test_it_ends_when_its_channel_is_closed() -> None:
    process = ServiceProcess(f"{__name__}:echo")
    process.channel.receive()
    process.channel.close()
    assert process.ending() == "exit code 0"
    process.end()


def test_a_pool_keeps_some_processes_and_replaces_those_that_end(pool: ProcessPool) -> None:
    one, other = pool.take(), pool.take()
    kept, ended = _pid(one), _pid(other)
    pool.give_back(one)
    pool.give_back(other)
    assert not psutil.pid_exists(ended)
    again = pool.take()
    assert _pid(again) == kept
    pool.give_back(again)
    os.kill(kept, signal.SIGKILL)
    while psutil.Process(kept).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    new = pool.take()
    assert _pid(new) != kept
    pool.give_back(new)


def test_a_process_that_cannot_start_is_an_error_with_its_end() -> None:
    pool = ProcessPool("leaves", f"{__name__}:leave", idle=1)
    reason = "^no process that leaves can be started: it ended with exit code 3$"
    with pytest.raises(OSError, match=reason):
        pool.take()


def test_a_process_that_was_lent_ends_if_its_work_fails(pool: ProcessPool) -> None:
    with pool.lend(60) as process:
        kept = _pid(process)
    with suppress(ValueError), pool.lend(60) as process:
        assert _pid(process) == kept
        with pytest.raises(TimeoutError, match=r"^no process that echoes was free for 0\.1 s$"):
            pool.lend(0.1).__enter__()
        raise ValueError
    assert not psutil.pid_exists(kept)
    with pool.lend(60) as process:
        assert _pid(process) != kept
