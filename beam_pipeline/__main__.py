"""The command `imagebeam`."""

import atexit
import os
import signal
import sys
from typing import TextIO

from imagebeam.beam_pipeline.interrupts import EXIT_CODE, exit_interrupted, handle_interrupts


def main() -> None:
    """Run the command line and exit with its code."""
    known_code: list[int] = []
    # Registered first, so it runs after all others.
    atexit.register(_end_at_once, known_code)
    handle_interrupts()
    try:
        code = _run()
    except KeyboardInterrupt:
        code = EXIT_CODE
    # The exit code is known. Python ends its modules without its own handler of signals, so Ctrl-C
    # would replace it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _drop_unwritten()
    if code == EXIT_CODE:
        exit_interrupted()
    known_code.append(code)
    sys.exit(code)


def _end_at_once(known_code: list[int]) -> None:
    """End the process without removing each object, which takes Python 0.04 s after a job."""
    if known_code:
        _drop_unwritten()
        os._exit(known_code[0])


def _drop_unwritten() -> None:
    """Drop text that a full disk refused: Python would try again and replace the exit code."""
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _run() -> int:
    # Imported late, because Ctrl-C during an import must end quietly too.
    from imagebeam.beam_pipeline.cli.main import run
    from imagebeam.stderr_redirection import ignore_broken_pipe, ignore_write_errors

    # NumPy starts one thread per core for linear algebra, which is not used here, and each spins
    # while it waits: that costs as much CPU time as importing NumPy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _open_missing_descriptors()
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = ignore_broken_pipe(_stream(sys.stdout, 1))
    # No message can say that messages cannot be written.
    sys.stderr = ignore_write_errors(_stream(sys.stderr, 2))
    return run(sys.argv[1:])


def _open_missing_descriptors() -> None:
    """Open standard streams that the caller closed, as `>&-` does.

    The next file that is opened would get the descriptor, and receive what libraries print.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free descriptor is taken, which is this one.
            os.open(os.devnull, os.O_RDWR)


def _stream(stream: TextIO | None, descriptor: int) -> TextIO:
    """Return a standard stream, also if it was closed when Python started."""
    return stream or os.fdopen(descriptor, "w", closefd=False)


if __name__ == "__main__":
    main()
