"""Test checks that fail, crash or hang."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil

from imagebeam.beam_pipeline.doctor.check_process import run_all
from imagebeam.beam_pipeline.doctor.finding import Check, Finding, FindingState
from imagebeam.beam_pipeline.exit_codes import UsageError

_SEEN = Finding("first", FindingState.OK, "seen", {"size": 3})


def _fine() -> Iterator[Finding]:
    yield _SEEN


def _hung(word: Path) -> Iterator[Finding]:
    """Record the process and then hang."""
    yield _SEEN
    word.write_text(str(os.getpid()))
    while True:
        time.sleep(1)


def _killed() -> Iterator[Finding]:
    os.kill(os.getpid(), signal.SIGSEGV)
    yield _SEEN


def _raising(error: Exception) -> Iterator[Finding]:
    yield _SEEN
    raise error


def test_a_hanging_check_fails_and_the_next_one_runs(tmp_path: Path) -> None:
    word = tmp_path / "pid"
    first, hung, last = run_all([Check("hung", partial(_hung, word)), Check("fine", _fine)], 2)
    assert first == last == _SEEN
    assert (hung.about, hung.state) == ("hung", FindingState.FAILURE)
    assert hung.message.startswith("did not finish within 2 s. Check if a mount")
    assert not psutil.pid_exists(int(word.read_text()))


def test_a_check_that_crashes_fails() -> None:
    [found] = run_all([Check("killed", _killed)], 60)
    assert found == Finding(
        "killed",
        FindingState.FAILURE,
        "the check itself ended with signal Segmentation fault. "
        "Run with --debug to see its output.",
    )


def test_an_exception_in_a_check_is_a_finding() -> None:
    errors = (UsageError("3: too few. Take 4."), KeyError("label"))
    checks = [Check("raising", partial(_raising, error)) for error in errors]
    assert [found.message for found in run_all(checks, 60)] == [
        *("seen", "3: too few. Take 4."),
        *("seen", "KeyError: 'label'"),
    ]
