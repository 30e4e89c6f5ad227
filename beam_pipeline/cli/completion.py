"""print the shell completion script.

  eval "$(imagebeam completion bash)"
  imagebeam completion zsh > _imagebeam

Put the first line into ~/.bashrc. The second line writes a file: put it into a folder of zsh's
$fpath.
"""

import argparse
import re

from imagebeam.beam_pipeline.exit_codes import DONE
from imagebeam.images.errors import CODES

_FOLDER = "DIR"
_FILES = ("FILE", "HANDLE", "IMAGES", "INPUT", "MODULE", "PREFIX")
_CODE = "CODE"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh"), metavar="SHELL", help="bash or zsh")


def run(args: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(_whole_parser(), args.shell))
    return DONE


def _whole_parser() -> argparse.ArgumentParser:
    """Return one parser with all commands, as shtab needs it."""
    from imagebeam.beam_pipeline.cli import command_parser, main

    whole = argparse.ArgumentParser("imagebeam")
    whole.add_argument("--version", action="store_true", help="print the version")
    commands = whole.add_subparsers(metavar="COMMAND", parser_class=command_parser.CommandParser)
    actions = None
    for name in command_parser.COMMANDS:
        first, _, action = name.partition(" ")
        if not action:
            parser = commands.add_parser(name, help=main.summary_of(name))
        else:
            if actions is None:
                below = commands.add_parser(first, help="work with modules")
                actions = below.add_subparsers(
                    metavar="ACTION", parser_class=command_parser.CommandParser
                )
            parser = actions.add_parser(action, help=main.summary_of(name))
        _set_completions(command_parser.command_parser(name, parser).arguments)
    return whole


def _set_completions(arguments: list[argparse.Action]) -> None:
    import shtab

    for action in arguments:
        name = re.split(r"\W", str(action.metavar))[0]
        if name in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif name == _FOLDER:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif name == _CODE:
            action.choices = tuple(CODES)
