"""Options declared once: a dataclass field holds the type, default and help of a command option.

`add_options` makes argparse arguments from the fields and `parsed_options` checks what argparse
read. The names of fields are the names of options: `top_k` is `--top-k`. A `Literal` has choices, a
`bool` is a flag, and a number must be at least 1 if nothing else is stated.
"""

import argparse
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from inspect import get_annotations
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from imagebeam.beam_pipeline.cli.command_parser import CommandGroup, CommandParser
from imagebeam.beam_pipeline.exit_codes import UsageError

_UNITS = {
    "": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_MOST_SECONDS = 1_000_000_000
"""The operating system cannot wait ten times as long."""
_MOST = 2**63 - 1
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)


@dataclass(frozen=True)
class OptionSpec:
    """Facts about an option that the name and type of its field do not state.

    Attributes:
        help: one sentence; the default is added to it.
        group: heading of the help text below which the option stands.
        kind: makes a value from the words on the command line; None for the type of the field.
        metavar: how the help text calls the value; None for the usual name of its kind.
        nargs: as argparse has it, for options that take several words.
        short: a one-letter name, such as `-m`.
        least: the smallest number allowed, unless `convert` checks it; None allows all.
        shown: the default as the help text shows it; "" hides it.
        convert: makes the field's value from what argparse read, unless that is the default.
    """

    help: str
    group: str = ""
    kind: Callable[[str], Any] | None = None
    metavar: str | tuple[str, ...] | None = None
    nargs: str | None = None
    short: str | None = None
    least: float | None = 1
    shown: str | None = None
    convert: Callable[[Any], Any] | None = None


def option(default: Any, text: str, **spec: Any) -> Any:
    """Return a dataclass field that is also an option of the command line.

    Args:
        default: the field's default; a callable makes it.
        text: the help text.
        **spec: the other attributes of `OptionSpec`.
    """
    metadata = {"option": OptionSpec(text, **spec)}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def add_options(parser: CommandParser, options: type) -> None:
    """Declare the options of a dataclass: its own, then those of its bases."""
    groups: dict[str, CommandParser | CommandGroup] = {"": parser}
    for each, spec in _declared(options):
        if spec.group not in groups:
            groups[spec.group] = parser.add_group(spec.group)
        names = [f"--{each.name.replace('_', '-')}"]
        if spec.short:
            names.insert(0, spec.short)
        help_text = f"{spec.help}{_default_text(each, spec)}".replace("%", "%%")
        groups[spec.group].add_argument(*names, help=help_text, **_arguments(each, spec))


def parsed_options(options: type, args: argparse.Namespace) -> dict[str, Any]:
    """Return the values of a dataclass's options from what argparse read, checked and converted.

    Raises:
        UsageError: a value is too small, or its conversion refuses it.
    """
    values = {}
    for each, spec in _declared(options):
        value = getattr(args, each.name)
        if spec.convert is None:
            if type(value) in (int, float) and spec.least is not None:
                check_range(each.name, value, spec.least)
        elif value is not each.default:
            value = spec.convert(value)
        values[each.name] = value
    return values


def check_range(name: str, value: float | None, least: float = 1) -> None:
    """Raise UsageError for a number below `least`, or above the largest time or count."""
    if value is None:
        return
    option = f"--{name.replace('_', '-')} {value}"
    if not value >= least:
        raise UsageError(f"{option}: must be at least {least:,}.")
    most = _MOST_SECONDS if isinstance(value, float) else _MOST
    if value > most:
        raise UsageError(f"{option}: must be at most {most:,}.")


def byte_count(text: str) -> int:
    """Return a size in bytes from text such as `2GB`, `512 MiB` or `100000000`.

    Raises:
        argparse.ArgumentTypeError: it is not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    count = math.inf
    if match is not None and match[2].lower() in _UNITS:
        count = float(match[1]) * _UNITS[match[2].lower()]
    if count > _MOST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size; write bytes, or a number with kB, MB, GB, KiB, MiB or GiB"
        )
    return int(count)


def size_text(count: int) -> str:
    """Return a size as `byte_count` reads it, in the largest unit that leaves a whole number."""
    for unit in ("TB", "GB", "MB", "kB"):
        size = _UNITS[unit.lower()]
        if count and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


def _declared(options: type) -> Iterator[tuple[Field[Any], OptionSpec]]:
    """Yield the options of a class, and then those of each of its bases."""
    found = {each.name: each for each in fields(options) if "option" in each.metadata}
    for kind in options.__mro__:
        for name in filter(found.get, get_annotations(kind)):
            yield found[name], found[name].metadata["option"]


def _arguments(each: Field[Any], spec: OptionSpec) -> Mapping[str, Any]:
    default = None if each.default is MISSING else each.default
    if default is False:
        return {"action": "store_true"}
    kind = _value_type(each)
    arguments = {"default": default, "nargs": spec.nargs}
    if get_origin(kind) is Literal:
        return arguments | {"choices": get_args(kind)}
    kind = spec.kind or (kind if kind in _METAVARS else str)
    return arguments | {"type": kind, "metavar": spec.metavar or _METAVARS.get(kind)}


def _value_type(each: Field[Any]) -> Any:
    """Return the type of a field's values, without None."""
    if get_origin(each.type) not in (Union, UnionType):
        return each.type
    return next(kind for kind in get_args(each.type) if kind is not NoneType)


_METAVARS: Mapping[Any, str] = {int: "N", float: "S", Path: "FILE", byte_count: "SIZE"}
"""The name of a value of each kind in the help text."""


def _default_text(each: Field[Any], spec: OptionSpec) -> str:
    shown = spec.shown
    if shown is None:
        default = each.default
        if default is MISSING or default is None or default is False:
            return ""
        if spec.kind is byte_count:
            shown = size_text(default)
        elif isinstance(default, tuple):
            shown = ",".join(default)
        else:
            shown = f"{default:g}" if isinstance(default, float) else str(default)
    return f" (default: {shown})" if shown else ""
