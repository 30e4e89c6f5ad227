"""The command line: find the command, parse its options, turn every outcome into an exit code.

Each command is a module of this package: its docstring is the help text, `add_arguments` declares
the options and `run` does the work. Heavy libraries are imported where a command runs, so that
`--help` answers at once.
"""

import argparse
import errno
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn, Protocol, cast

from imagebeam.beam_pipeline.exit_codes import (
    BROKEN,
    DONE,
    INTERRUPTED,
    USAGE,
    BrokenJobError,
    UsageError,
    did_you_mean,
)
from imagebeam.errors import RAISE_UNEXPECTED, ImagebeamError
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.storage.secrets import clean_text
from imagebeam.version import __version__

_COMMANDS = (
    *(
        "demo",
        "doctor",
        "label",
        "status",
        "report",
        "search",
        "export",
        "compare",
        "verify",
        "compact",
        "commit",
    ),
    "completion",
)
_MODULE_COMMANDS = (
    *("list", "get", "show", "try", "evaluate"),
    *("annotate", "compile", "build", "train"),
)

COMMANDS = (*_COMMANDS, *(f"module {name}" for name in _MODULE_COMMANDS))
"""The names of all commands."""

_USAGE = "usage: imagebeam COMMAND [OPTION ...]"
_DESCRIPTION = """\
Label an image archive of any size with a TF-Hub image module.

examples:
  imagebeam demo
  imagebeam doctor photos/ --output labels/
  imagebeam label photos/ --output labels/
  imagebeam label 'archive/**/*.jpg' --output features/ --module HANDLE --emit features
  imagebeam status labels/
  imagebeam report labels/
  imagebeam export labels/ --to labels.csv
  imagebeam verify labels/
  imagebeam compact labels/
"""

_EPILOG = """\
exit codes:
  0    done
  1    too many images failed, the summary does not add up, or doctor found a problem
  2    wrong usage, a file in the output that cannot be used, or no decoding process starts:
       nothing was labelled
  3    the job broke: run the same command again to resume
  130  stopped by Ctrl-C: run the same command again to resume

Run `imagebeam COMMAND --help` for the options of a command.
"""
_MODULE_USAGE = "usage: imagebeam module ACTION [OPTION ...]"
_MODULE_DESCRIPTION = (
    "List, fetch, show, try, evaluate, annotate, compile, build or train a module.\n"
)
_HELP = ("-h", "--help")


class Command(Protocol):
    """The interface of a module that implements a command."""

    __doc__: str | None

    def add_arguments(self, parser: "CommandParser") -> None:
        """Declare the options."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work; the exit code."""


class CommandParser(argparse.ArgumentParser):
    """The options of one command.

    Attributes:
        arguments: all of them, in the order of their declaration.
        headings: titles below which the help text lists arguments, by `dest`.
    """

    def __init__(self, **settings: Any) -> None:
        self.arguments: list[argparse.Action] = []
        self.headings: dict[str, str] = {}
        super().__init__(**settings)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """Declare one argument."""
        action = super().add_argument(*names, **settings)
        self.arguments.append(action)
        return action

    def add_group(self, heading: str, exclusive: bool = False) -> "CommandGroup":
        """Add a heading to the help text; only one of exclusive arguments can be given."""
        group = self.add_argument_group(heading)
        return CommandGroup(
            self, heading, group.add_mutually_exclusive_group() if exclusive else group
        )

    def error(self, message: str) -> NoReturn:
        """Report wrong usage in the form of all other errors."""
        raise UsageError(f"{message}. Run `{self.prog} --help` for the options.")


class CommandGroup:
    """Arguments of a command that the help text lists below one heading."""

    def __init__(self, parser: CommandParser, heading: str, group: Any) -> None:
        self._parser = parser
        self._heading = heading
        self._group = group

    def add_argument(self, *names: Any, **settings: Any) -> None:
        """Declare one argument."""
        action = self._group.add_argument(*names, **settings)
        self._parser.arguments.append(action)
        self._parser.headings[action.dest] = self._heading


def run(argv: Sequence[str]) -> int:
    """Run one command; every failure ends in a message on standard error and an exit code."""
    debug = "--debug" in argv[1:]
    with _quiet_logging(), _unexpected_raised(debug):
        try:
            return _run(argv, debug)
        except KeyboardInterrupt:
            return INTERRUPTED


def _run(argv: Sequence[str], debug: bool) -> int:
    try:
        if not argv:
            raise UsageError("no command given. Run `imagebeam --help` for the list.")
        if (text := _general_text(argv)) is not None:
            print(text, flush=True)
            return DONE
        args, beam_args = parse(argv)
        args.beam_args = beam_args
        code = int(args.command.run(args))
        # A full disk may be reported only when the buffer is written.
        sys.stdout.flush()
        return code
    except ImagebeamError as error:
        if debug:
            _print_stack_trace(error)
        return _report(argv, str(error), BROKEN if isinstance(error, BrokenJobError) else USAGE)
    except OSError as error:
        if debug:
            _print_stack_trace(error)
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        message = (
            f"{error.filename or 'the file system'}: {error.strerror or error}. "
            f"{'Free disk space' if is_full else 'Remove the cause'}, then run the same command "
            "again."
        )
        return _report(argv, message, BROKEN)
    except Exception as error:
        # A defect of this package: its stack trace helps to report it, without secrets.
        _print_stack_trace(error)
        return BROKEN


def _print_stack_trace(error: Exception) -> None:
    print(clean_text("".join(traceback.format_exception(error))), file=sys.stderr, end="")


@contextmanager
def _unexpected_raised(debug: bool) -> Iterator[None]:
    """Let the nets for unexpected exceptions raise them, here and in child processes."""
    before = os.environ.get(RAISE_UNEXPECTED)
    if debug:
        os.environ[RAISE_UNEXPECTED] = "1"
    try:
        yield
    finally:
        if debug and before is None:
            del os.environ[RAISE_UNEXPECTED]


@contextmanager
def _quiet_logging() -> Iterator[None]:
    """Hide warnings: Beam warns during import about optional parts that are not installed."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)


def _report(argv: Sequence[str], message: str, code: int) -> int:
    """Say why the command ends; the exit code."""
    message = clean_text(message)
    if argv[:1] == ["label"] and "--json" in argv:
        from imagebeam.beam_pipeline.reporting import json_lines

        json_lines.report_error(message, code)
    else:
        print(f"imagebeam: error: {escape_control_chars(message)}", file=sys.stderr)
    return code


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options of a command line, with its `command`; and the options meant for Beam.

    Raises:
        UsageError: no such command or option, or a value is missing or wrong.
    """
    name, words = _command_name(argv)
    parser = command_parser(name)
    try:
        args, beam_args = parser.parse_known_args(words)
    except UsageError as error:
        if (misspelt := _misspelt_option(parser, words)) is not None:
            raise misspelt from error
        if "INPUT" in str(error) and (greedy := _greedy_option(parser, words)) is not None:
            raise UsageError(
                f"{greedy}: took all words after it as its values, and no INPUT is left. Put "
                f"INPUT before {greedy}."
            ) from error
        raise
    if beam_args and not getattr(args.command, "TAKES_BEAM_OPTIONS", False):
        raise _misspelt_option(parser, beam_args) or _no_such_option(parser, beam_args[0])
    return args, beam_args


def _misspelt_option(parser: CommandParser, words: Sequence[str]) -> UsageError | None:
    """The error for an option that looks like a misspelt one of the command, if there is any."""
    known = _option_names(parser)
    for word in words:
        name = word.partition("=")[0]
        similar = did_you_mean(name, known) if name.startswith("--") else ""
        if similar and name not in known:
            return _no_such_option(parser, word, similar)
    return None


def _no_such_option(parser: CommandParser, word: str, similar: str = "") -> UsageError:
    return UsageError(
        f"{word}: no such option.{similar} Run `{parser.prog} --help` for the options."
    )


def _greedy_option(parser: CommandParser, words: Sequence[str]) -> str | None:
    """The option on a command line that takes any number of words, such as --keep."""
    for action in parser.arguments:
        if action.nargs in ("*", "+"):
            for name in action.option_strings:
                if name in words:
                    return name
    return None


def _command_name(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The command that a command line begins with, and the words after it."""
    for length in (1, 2):
        if (name := " ".join(argv[:length])) in COMMANDS:
            return name, argv[length:]
    if argv[0].startswith("-"):
        raise UsageError(
            f"{argv[0]}: options follow the command, as in `imagebeam label {argv[0]}`."
        )
    name = " ".join(argv[: 2 if argv[0] == "module" else 1])
    if name == "module":
        raise UsageError(
            "module: an action is missing. Run `imagebeam module --help` for the list."
        )
    similar = did_you_mean(name, COMMANDS)
    raise UsageError(f"{name}: no such command.{similar} Run `imagebeam --help` for the list.")


def _option_names(parser: argparse.ArgumentParser) -> list[str]:
    return re.findall(r"^ +(?:-\w(?: \S+)?, )?(--[a-z][a-z-]*)", parser.format_help(), re.MULTILINE)


def command_parser(name: str, parser: CommandParser | None = None) -> CommandParser:
    """The parser of one command.

    Args:
        name: one of `COMMANDS`.
        parser: gets the arguments; None makes a new parser.
    """
    command = _command(name)
    parser = parser or CommandParser(prog=f"imagebeam {name}", allow_abbrev=False)
    summary, _, details = (command.__doc__ or "").partition("\n")
    parser.description = f"{summary[:1].upper()}{summary[1:]}\n{details.rstrip()}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show stack traces and Beam's log")
    parser.set_defaults(command=command)
    parser.usage = _usage(parser)
    return parser


def summary_of(name: str) -> str:
    """Return the purpose of a command in a few words."""
    return (_command(name).__doc__ or "").partition("\n")[0].rstrip(".")


def _command(name: str) -> Command:
    module = import_module(f"imagebeam.beam_pipeline.cli.{name.replace(' ', '_')}")
    return cast("Command", module)


def general_help() -> str:
    """The text of `imagebeam --help`."""
    return f"{_USAGE}\n\n{_DESCRIPTION}\ncommands:\n{_listed(COMMANDS)}\n\n{_EPILOG}"


def _module_help() -> str:
    names = [name for name in COMMANDS if name.startswith("module ")]
    return f"{_MODULE_USAGE}\n\n{_MODULE_DESCRIPTION}\nactions:\n{_listed(names)}\n"


def _listed(names: Sequence[str]) -> str:
    width = max(map(len, names)) + 2
    return "\n".join(f"  {name:<{width}}{summary_of(name)}" for name in names)


def _general_text(argv: Sequence[str]) -> str | None:
    """Return the text of a general option such as `--version` or `--help`."""
    if argv[0] in _HELP:
        return general_help().rstrip("\n")
    if argv[0] == "--version":
        return f"imagebeam {__version__}"
    if argv[0] == "module" and len(argv) > 1 and argv[1] in _HELP:
        return _module_help().rstrip("\n")
    return None


def _usage(parser: CommandParser) -> str:
    """The arguments that a command cannot do without; the help text lists the others below."""
    required = [
        f"{action.option_strings[-1]} {action.metavar}"
        for action in parser.arguments
        if action.option_strings and action.required
    ]
    positions = [_position(action) for action in parser.arguments if not action.option_strings]
    return " ".join((parser.prog, *positions, *required, "[OPTION ...]"))


def _position(action: argparse.Action) -> str:
    match action.nargs:
        case "*":
            return f"[{action.metavar} ...]"
        case "+":
            return f"{action.metavar} [{action.metavar} ...]"
        case "?":
            return f"[{action.metavar}]"
        case _:
            return str(action.metavar)
