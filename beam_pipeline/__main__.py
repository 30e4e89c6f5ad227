"""The command `imagebeam`."""

import os
import sys

from imagebeam.beam_pipeline.cli.main import run
from imagebeam.stderr_redirection import ignore_broken_pipe


def main() -> None:
    """Run the command line and exit with its code."""
    # NumPy starts one thread per core for linear algebra, which is not used here, and each spins
    # while it waits: that costs as much CPU time as importing NumPy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A reader such as `| head` may leave: the job continues and its exit code is right.
    sys.stdout = ignore_broken_pipe(sys.stdout)
    sys.stderr = ignore_broken_pipe(sys.stderr)
    code = run(sys.argv[1:])
    # All output is written; tearing down Beam's modules and threads takes a third of a second.
    os._exit(code)


if __name__ == "__main__":
    main()
