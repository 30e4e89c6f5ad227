"""print what lets a shell complete this command.

  eval "$(imagebeam completion bash)"
  imagebeam completion zsh > _imagebeam

The first line belongs into ~/.bashrc. The second writes a file for a folder of zsh's $fpath.
"""

import argparse
import re
from collections.abc import Iterator
from typing import Any

_FOLDER = "DIR"
_FILES = ("FILE", "HANDLE", "IMAGES", "INPUT", "MODULE", "PREFIX")
_CODE = "CODE"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("shell", choices=("bash", "zsh"), metavar="SHELL", help="bash or zsh")


def run(args: argparse.Namespace) -> int:
    """Print the script; the exit code."""
    import shtab

    from imagebeam.beam_pipeline.cli.main import parser
    from imagebeam.beam_pipeline.exit_codes import DONE
    from imagebeam.images.errors import CODES

    commands = parser()
    for action in _actions(commands):
        name = re.split(r"\W", str(action.metavar))[0]
        if name in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif name == _FOLDER:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif name == _CODE:
            action.choices = tuple(CODES)
    print(shtab.complete(commands, args.shell))
    return DONE


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below: dict[str, Any] = action.choices
            for command in below.values():
                yield from _actions(command)
        else:
            yield action
