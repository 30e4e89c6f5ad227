"""The command `imagebeam`."""

import os
import sys

from imagebeam.beam_pipeline.cli.main import run
from imagebeam.stderr_redirection import ignore_broken_pipe


def main() -> None:
    """Run the command line and exit with its code."""
    # NumPy starts a thread a core for linear algebra, which nobody here does, and each spins for
    # work: as much of a core as to import NumPy takes.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Whoever reads may leave, as `| head` does: the job goes on, and its exit code tells the truth.
    sys.stdout = ignore_broken_pipe(sys.stdout)
    sys.stderr = ignore_broken_pipe(sys.stderr)
    code = run(sys.argv[1:])
    # All is written; to take Beam's modules and threads down one by one costs a third of a second.
    os._exit(code)


if __name__ == "__main__":
    main()
