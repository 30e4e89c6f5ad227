"""Test checks that fail, crash or hang."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from imagebeam.beam_pipeline.doctor import Finding, FindingState
from imagebeam.beam_pipeline.doctor.check_process import run_all
from imagebeam.beam_pipeline.exit_codes import UsageError

_SEEN = Finding("first", FindingState.OK, "seen", {"size": 3})


@dataclass(frozen=True)
class Fine:
    about: str = "fine"

    def run(self) -> Iterator[Finding]:
        yield _SEEN


@dataclass(frozen=True)
class Hung:
    """Records its process and then hangs."""

    word: Path
    about: str = "hung"

    def run(self) -> Iterator[Finding]:
        yield _SEEN
        self.word.write_text(str(os.getpid()))
        while True:
            time.sleep(1)


@dataclass(frozen=True)
class Killed:
    about: str = "killed"

    def run(self) -> Iterator[Finding]:
        os.kill(os.getpid(), signal.SIGSEGV)
        yield _SEEN


@dataclass(frozen=True)
class Raising:
    error: Exception
    about: str = "raising"

    def run(self) -> Iterator[Finding]:
        yield _SEEN
        raise self.error


def test_a_hanging_check_fails_and_the_next_one_runs(tmp_path: Path) -> None:
    word = tmp_path / "pid"
    first, hung, last = run_all([Hung(word), Fine()], 2)
    assert first == last == _SEEN
    assert (hung.about, hung.state) == ("hung", FindingState.FAILURE)
    assert hung.message.startswith("did not finish within 2 s. Check if a mount")
    assert not psutil.pid_exists(int(word.read_text()))


def test_a_check_that_crashes_fails() -> None:
    [found] = run_all([Killed()], 60)
    assert found == Finding(
        "killed",
        FindingState.FAILURE,
        "the check itself ended with signal Segmentation fault. "
        "Run with --debug to see its output.",
    )


def test_an_exception_in_a_check_is_a_finding() -> None:
    ours, foreign = Raising(UsageError("3: too few. Take 4.")), Raising(KeyError("label"))
    assert [found.message for found in run_all([ours, foreign], 60)] == [
        *("seen", "3: too few. Take 4."),
        *("seen", "KeyError: 'label'"),
    ]
