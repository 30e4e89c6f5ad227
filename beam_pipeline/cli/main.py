"""The command line: run one command, and turn every outcome into a message and an exit code.

Heavy libraries are imported where a command runs, so that `--help` answers at once.
"""

import errno
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from imagebeam.beam_pipeline.cli.command_parser import COMMANDS, command_module, parse
from imagebeam.beam_pipeline.exit_codes import (
    BROKEN,
    DONE,
    INTERRUPTED,
    USAGE,
    BrokenJobError,
    UsageError,
)
from imagebeam.beam_pipeline.interrupts import was_interrupted
from imagebeam.errors import RAISE_UNEXPECTED, ImagebeamError
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.storage.clean_text import clean_text
from imagebeam.version import __version__

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
_LONG_WORD = re.compile(r"(\S{4096})\S+")
"""A word that is longer than any path: it would hide the rest of a message."""


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
    except Exception as error:
        return INTERRUPTED if was_interrupted() else _failed(argv, error, debug)


def _failed(argv: Sequence[str], error: Exception, debug: bool) -> int:
    """Say why the command failed, and return the exit code."""
    is_known = isinstance(error, ImagebeamError | OSError)
    if debug or not is_known:
        # A defect of this package: its stack trace helps to report it, without secrets.
        trace = clean_text("".join(traceback.format_exception(error)))
        print(trace, file=sys.stderr, end="")
    if isinstance(error, ImagebeamError):
        return _report(argv, str(error), BROKEN if isinstance(error, BrokenJobError) else USAGE)
    if isinstance(error, OSError):
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        message = (
            f"{error.filename or 'the file system'}: {error.strerror or error}. "
            f"{'Free disk space' if is_full else 'Remove the cause'}, then run the same command "
            "again."
        )
        return _report(argv, message, BROKEN)
    return BROKEN


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
    """Say why the command ends, and return the exit code."""
    message = _LONG_WORD.sub(r"\1…", clean_text(message))
    if argv[:1] == ["label"] and "--json" in argv:
        from imagebeam.beam_pipeline.reporting import json_lines

        json_lines.report_error(message, code)
    else:
        print(f"imagebeam: error: {escape_control_chars(message)}", file=sys.stderr)
    return code


def summary_of(name: str) -> str:
    """Return the purpose of a command in a few words."""
    return (command_module(name).__doc__ or "").partition("\n")[0].rstrip(".")


def general_help() -> str:
    """Return the text of `imagebeam --help`."""
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
