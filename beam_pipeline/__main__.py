"""The command `imagebeam`."""

import contextlib
import os
import sys

from beam_pipeline.command_line import run


def main() -> None:
    """Run the command line and exit with its code."""
    code = run(sys.argv[1:])
    # Whoever reads may have left, as `| head` does.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    # All is written; to take Beam's modules and threads down one by one costs a third of a second.
    os._exit(code)


if __name__ == "__main__":
    main()
