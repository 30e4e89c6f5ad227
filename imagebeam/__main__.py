"""The command `imagebeam`, also as `python -m imagebeam`."""

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    _search_current_folder_last()
    from imagebeam.beam_pipeline.__main__ import main as run

    run()


def _search_current_folder_last() -> None:
    """Make sure that a file such as `proto.py` in the current folder replaces no library.

    `python -m` searches that folder first. It stays on the path, because the package may be there.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:
        return
    sys.path.sort(key=lambda entry: entry in ("", here))


if __name__ == "__main__":
    main()
