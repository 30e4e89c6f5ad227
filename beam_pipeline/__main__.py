"""The command `imagebeam`."""

import sys

from beam_pipeline.command_line import run


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
