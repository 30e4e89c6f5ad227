"""Fuzz for any time: `python -m tests.fuzz --seconds 3600 [TARGET ...]`.

Each input has a number, from which it can be made again: `--first NUMBER --count 1 TARGET`.
"""

import argparse
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from itertools import count
from pathlib import Path

from imagebeam.errors import RAISE_UNEXPECTED
from tests.fuzz.targets import TARGETS

_MEMORY = 4_000_000_000
_SECONDS_EACH = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--count", type=int, help="inputs per target; as many as there is time for")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"))
    args = parser.parse_args()
    os.environ[RAISE_UNEXPECTED] = "1"
    warnings.simplefilter("ignore")
    # An input that needs more memory is a failure, and must not exhaust this machine.
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    targets = args.targets or list(TARGETS)
    failed = [
        _fuzz(name, args.first, args.count, args.seconds / len(targets), args.failures)
        for name in targets
    ]
    return int(any(failed))


def _fuzz(name: str, first: int, inputs: int | None, seconds: float, folder: Path) -> int:
    """Fuzz one target in a separate process, which a decoder may crash; count failures."""
    failures, number, until = 0, first, time.monotonic() + seconds
    while time.monotonic() < until and (inputs is None or number < first + inputs):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            os._exit(_child(name, number, inputs, first, until, writer))
        os.close(writer)
        with os.fdopen(reader) as progress:
            numbers = progress.read().split()
        _, status = os.waitpid(child, 0)
        last = int(numbers[-1]) if numbers else number
        if status:
            failures += 1
            _keep(name, last, folder, os.waitstatus_to_exitcode(status))
        number = last + 1
    print(f"{name}: {number - first:,} inputs, {failures} failures", flush=True)
    return failures


def _child(name: str, first: int, inputs: int | None, start: int, until: float, writer: int) -> int:
    # libtiff reports damage on standard error, thousands of times.
    own_stderr = os.fdopen(os.dup(2), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for number in count(first):
        if time.monotonic() > until or (inputs is not None and number >= start + inputs):
            return 0
        os.write(writer, b"%d\n" % number)
        # Ends this process by a signal, which the parent reports.
        signal.alarm(_SECONDS_EACH)
        try:
            TARGETS[name].run(number)
        except Exception:
            traceback.print_exc(file=own_stderr)
            own_stderr.flush()
            return 1
    return 0


def _keep(name: str, number: int, folder: Path, code: int) -> None:
    print(f"{name}: input {number} failed with exit code {code}", file=sys.stderr, flush=True)
    folder.mkdir(exist_ok=True)
    (folder / f"{name.replace(' ', '-')}-{number}.txt").write_text(
        f"python -m tests.fuzz --first {number} --count 1 '{name}'\n"
    )


if __name__ == "__main__":
    sys.exit(main())
