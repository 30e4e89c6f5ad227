"""Run each check in a process of its own with a time limit.

A mount whose server is gone, or a name server that never answers, blocks a process in the kernel,
where no signal reaches it. The waiting process therefore never touches such a resource, and leaves
a check that does not end behind.
"""

import json
import math
import os
import pickle
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

from imagebeam import child_process
from imagebeam.beam_pipeline.doctor.finding import Check, Finding, FindingState
from imagebeam.channel import Channel
from imagebeam.errors import ImagebeamError

_GRACE_SECONDS = 1.0
_END = b"null"


def run_all(checks: Iterable[Check], seconds: float, debug: bool = False) -> Iterator[Finding]:
    """Run checks one after the other, so that none disturbs the measurements of another.

    Each has a time limit in seconds. With `debug`, what they write to standard error is shown.
    """
    for check in checks:
        with tempfile.TemporaryDirectory(
            prefix="imagebeam-", ignore_cleanup_errors=True
        ) as scratch:
            yield from _run(check, seconds, debug, scratch)


def _run(check: Check, seconds: float, debug: bool, scratch: str) -> Iterator[Finding]:
    deadline = time.monotonic() + seconds
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    with theirs:
        child = _spawn(theirs.fileno(), debug, scratch)
    try:
        channel.send(pickle.dumps(check), seconds=seconds)
        while (message := channel.receive(deadline - time.monotonic())) != _END:
            yield Finding.from_json(json.loads(message))
    except TimeoutError:
        yield _failure(
            check,
            f"did not finish within {seconds:g} s. Check if a mount, a server or a name server "
            "hangs, or allow more time with --deadline.",
        )
    except (EOFError, OSError):
        yield _failure(
            check,
            f"the check itself ended with {_ending(child)}. Run with --debug to see its output.",
        )
    finally:
        channel.close()
        _end(child)


def _spawn(descriptor: int, debug: bool, scratch: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        child_process.ended_with_parent(
            child_process.command("imagebeam.beam_pipeline.doctor.check_process:serve", descriptor)
        ),
        pass_fds=(descriptor,),
        stdin=subprocess.DEVNULL,
        # A reader of our output must not wait for a check that never ends.
        stdout=subprocess.DEVNULL,
        stderr=None if debug else subprocess.DEVNULL,
        env=child_process.environment() | {"TMPDIR": scratch},
        # Killing the session also kills the children of the check.
        start_new_session=True,
    )


def serve(descriptor: str) -> None:
    """Run one check for the process at the other end of a socket."""
    with socket.socket(fileno=int(descriptor)) as end:
        channel = Channel(end)
        check: Check = pickle.loads(channel.receive(math.inf))
        try:
            for finding in check.run():
                channel.send(json.dumps(finding.to_json()).encode())
        # Any exception is a finding.
        except Exception as error:
            name = "" if isinstance(error, ImagebeamError) else f"{type(error).__name__}: "
            channel.send(json.dumps(_failure(check, f"{name}{error}").to_json()).encode())
        channel.send(_END)


def _failure(check: Check, message: str) -> Finding:
    return Finding(check.about, FindingState.FAILURE, message)


def _ending(child: "subprocess.Popen[bytes]") -> str:
    with suppress(subprocess.TimeoutExpired):
        return child_process.ending(child.wait(_GRACE_SECONDS))
    return "a closed socket"


def _end(child: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    # A process that hangs in the kernel cannot be killed; do not wait for it.
    with suppress(subprocess.TimeoutExpired):
        child.wait(_GRACE_SECONDS)
