"""Run the command line, and kill it just before the n-th change of a folder.

`python -m tests.faults.killed_at FOLDER N COMMAND…`; writes how often it did where it ends alive.
The moment is one of the program's own, so no machine is too fast or too slow for it.
"""

import itertools
import os
import signal
import sys

from imagebeam.beam_pipeline.cli import main as command_line

_EVENTS = frozenset({"open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.utime"})


def main(folder: str, moment: int, command: list[str]) -> int:
    """Run the command; return its exit code if it is not killed."""
    touches = itertools.count(1)

    def touch(event: str, arguments: tuple[object, ...]) -> None:
        if event in _EVENTS and str(arguments[0]).startswith(folder) and next(touches) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(touch)
    code = command_line.run(command)
    print(next(touches) - 1)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
