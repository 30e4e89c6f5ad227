"""Parse the command line: find the command, and read its options.

Each command is a module of this package: its docstring is the help text, `add_arguments` declares
the options and `run` does the work.
"""

import argparse
import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn, Protocol, cast

from imagebeam.beam_pipeline.exit_codes import UsageError, did_you_mean

_COMMANDS = (
    *("demo", "doctor", "label", "status", "report", "search"),
    *("export", "compare", "verify", "compact", "commit", "completion"),
)
_MODULE_COMMANDS = (
    *("list", "get", "show", "try", "evaluate"),
    *("annotate", "compile", "build", "train"),
)

_PATH = re.compile(r"(DIR|FILE|FOLDER|HANDLE|IMAGES?|INPUT|MODULE|NEW|OLD|PATH|PREFIX|URI)\b")
"""Names that the help text gives to values that are paths or handles."""

COMMANDS = (*_COMMANDS, *(f"module {name}" for name in _MODULE_COMMANDS))
"""The names of all commands."""


class Command(Protocol):
    """The interface of a module that implements a command."""

    __doc__: str | None

    def add_arguments(self, parser: "CommandParser") -> None:
        """Declare the options."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work and return the exit code."""


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

    def add_group(
        self, heading: str, exclusive: bool = False, required: bool = False
    ) -> "CommandGroup":
        """Add a heading to the help text.

        Only one of exclusive arguments can be given; one must be, if that is required.
        """
        group: Any = self.add_argument_group(heading)
        if exclusive:
            group = group.add_mutually_exclusive_group(required=required)
        return CommandGroup(self, heading, group)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        name = "/".join(action.option_strings) or str(action.metavar)
        # Python before 3.13 makes an empty list of `--option=--`, whatever the type of the option.
        if action.option_strings and "--" in arg_strings:
            self.error(f"argument {name}: -- is not a value")
        # An empty path would be the current folder.
        if "" in arg_strings and _PATH.match(str(action.metavar)):
            self.error(f"argument {name}: '' is not a name. If it comes from a variable, set it")
        return super()._get_values(action, arg_strings)

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


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the options of a command line, with its `command`; and the options meant for Beam.

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
    """Return the error for an option that looks like a misspelt one of the command, if any."""
    known = [name for action in parser.arguments for name in action.option_strings]
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
    """Return the option on a command line that takes any number of words, such as --keep."""
    for action in parser.arguments:
        if action.nargs in ("*", "+"):
            for name in action.option_strings:
                if name in words:
                    return name
    return None


def _command_name(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the command that a command line begins with, and the words after it."""
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


def command_parser(name: str, parser: CommandParser | None = None) -> CommandParser:
    """Return the parser of one command.

    Args:
        name: one of `COMMANDS`.
        parser: gets the arguments; None makes a new parser.
    """
    command = command_module(name)
    parser = parser or CommandParser(prog=f"imagebeam {name}", allow_abbrev=False)
    summary, _, details = (command.__doc__ or "").partition("\n")
    parser.description = f"{summary[:1].upper()}{summary[1:]}\n{details.rstrip()}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show stack traces and Beam's log")
    parser.set_defaults(command=command)
    parser.usage = _usage(parser)
    return parser


def command_module(name: str) -> Command:
    """Return the module that implements a command."""
    module = import_module(f"imagebeam.beam_pipeline.cli.{name.replace(' ', '_')}")
    return cast("Command", module)


def _usage(parser: CommandParser) -> str:
    """Return the arguments that a command needs; the help text lists the others below."""
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
