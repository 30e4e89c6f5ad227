import subprocess
import sys
from pathlib import Path

import pytest

from imagebeam.images.reading.turns import Turns

_CHILD = """
import sys
from imagebeam.images.reading.turns import Turns
with Turns(100, int(sys.argv[1])).turn(int(sys.argv[2])):
    print("in", flush=True)
    sys.stdin.read()
"""


class _Other:
    """Another process, which inherits the lock."""

    def __init__(self, turns: Turns, pixels: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(turns.descriptor), str(pixels)],
            pass_fds=[turns.descriptor],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def is_in(self) -> bool:
        """Wait until it is in the block."""
        assert self._process.stdout is not None
        return self._process.stdout.readline() == "in\n"

    def waits(self) -> bool:
        """Wait until the system lists it among those that wait for a lock."""
        while self._process.poll() is None:
            for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
                if "->" in line and f" {self._process.pid} " in line:
                    return True
        return False

    def leave(self, kill: bool = False) -> None:
        """End it."""
        if kill:
            self._process.kill()
        self._process.communicate("")


@pytest.mark.parametrize("kill", [False, True])
def test_large_pictures_take_turns_and_a_killed_process_gives_its_turn_back(kill: bool) -> None:
    turns = Turns(100)
    first = _Other(turns, 101)
    assert first.is_in()
    second = _Other(turns, 200)
    assert second.waits()
    small = _Other(turns, 100)
    assert small.is_in()
    first.leave(kill)
    assert second.is_in()
    for each in (second, small):
        each.leave()
    turns.close()
