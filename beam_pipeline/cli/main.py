"""From argv to an exit code: one parser, one door out.

Heavy libraries are imported where a command runs, so that `--help` answers at once.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from imagebeam.beam_pipeline.exit_codes import BROKEN, INTERRUPTED, USAGE, BrokenJobError
from imagebeam.errors import ImagebeamError
from imagebeam.version import __version__

_COMMANDS = ("demo", "doctor", "label", "status", "report", "verify", "compact", "completion")
_MODULE_COMMANDS = ("build", "compile", "show", "evaluate", "train")

_DESCRIPTION = """\
Label an image archive of any size with a TF-Hub image module.

examples:
  imagebeam demo
  imagebeam doctor photos/ --output labels/
  imagebeam label photos/ --output labels/
  imagebeam label 'archive/**/*.jpg' --output features/ --module HANDLE --emit features
  imagebeam status labels/
  imagebeam report labels/
  imagebeam verify labels/
  imagebeam compact labels/
"""

_EPILOG = """\
exit codes:
  0    done
  1    too many images failed, the account does not add up, or the doctor found a fault
  2    wrong usage: nothing was started
  3    the job broke: run the same command again, it resumes
  130  stopped by Ctrl-C: run the same command again, it resumes

imagebeam COMMAND --help tells more of each.
"""


def run(argv: Sequence[str]) -> int:
    """Run one command; whatever goes wrong ends in a message on standard error and a code."""
    # Beam warns, while it is imported, of optional parts that are not installed.
    logging.getLogger().setLevel(logging.ERROR)
    args, beam_args = parser().parse_known_args(argv)
    args.beam_args = beam_args
    if beam_args and not getattr(args.command, "TAKES_BEAM_OPTIONS", False):
        return _ended(args, f"{beam_args[0]}: no such option. See --help.", USAGE)
    try:
        code = int(args.command.run(args))
        # A disk that is full may say so only now.
        sys.stdout.flush()
        return code
    except ImagebeamError as error:
        if args.debug:
            raise
        return _ended(args, str(error), BROKEN if isinstance(error, BrokenJobError) else USAGE)
    except OSError as error:
        if args.debug:
            raise
        message = (
            f"{error.filename or 'the file system'}: {error.strerror or error}. "
            "Remove the cause and run the same command again."
        )
        return _ended(args, message, BROKEN)
    except KeyboardInterrupt:
        return INTERRUPTED


def _ended(args: argparse.Namespace, message: str, code: int) -> int:
    """Tell why the command ends; the exit code."""
    if getattr(args, "events", False):
        from imagebeam.beam_pipeline.reporting import json_lines

        json_lines.say_error(message, code)
    else:
        print(f"imagebeam: error: {message}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="imagebeam",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"imagebeam {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in _COMMANDS:
        _add(commands, name, import_module(f"imagebeam.beam_pipeline.cli.{name}"))
    modules = commands.add_parser(
        "module",
        help="build, compile, show, evaluate or train a module",
        description="Build, compile, show, evaluate or train a module.",
        formatter_class=_Formatter,
        allow_abbrev=False,
    ).add_subparsers(title="actions", metavar="ACTION", required=True)
    for name in _MODULE_COMMANDS:
        _add(modules, name, import_module(f"imagebeam.beam_pipeline.cli.module_{name}"))
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, command: ModuleType
) -> None:
    summary, _, details = (command.__doc__ or "").partition("\n")
    parser = commands.add_parser(
        name,
        help=summary.rstrip("."),
        description=f"{summary[:1].upper()}{summary[1:]}\n{details.rstrip()}",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show stack traces and Beam's log")
    parser.set_defaults(command=command)
    parser.usage = _usage(parser)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Leaves room for the names of commands, whose indentation argparse forgets."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += self._indent_increment


def _usage(parser: argparse.ArgumentParser) -> str:
    """What a command cannot do without; the rest is listed below it anyway."""
    needed = [
        f"{action.option_strings[0]} {action.metavar}"
        for action in parser._actions
        if action.option_strings and action.required
    ]
    places = [_place(action) for action in parser._actions if not action.option_strings]
    return " ".join((parser.prog, *places, *needed, "[OPTION ...]"))


def _place(action: argparse.Action) -> str:
    match action.nargs:
        case "*":
            return f"[{action.metavar} ...]"
        case "+":
            return f"{action.metavar} [{action.metavar} ...]"
        case _:
            return str(action.metavar)
