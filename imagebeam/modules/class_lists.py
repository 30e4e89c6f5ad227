"""Read class names from a text: lines, a table, JSON, YAML, a literal of Python, a label map.

Numbers tell the order of the classes if they count from 0. If they count from 1, they must be in
order: frameworks disagree on which class is the first one otherwise.
"""

import ast
import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from imagebeam.modules import yaml_lists
from imagebeam.modules.label_maps import is_label_map, read_label_map

NAME_COLUMNS = (
    *("display_name", "name", "class_name", "classname", "label_name", "common_name"),
    *("label", "class", "category", "title", "species", "labels", "classes", "names"),
)
"""The headers of columns with names; the first one that is there counts."""

_NUMBER_COLUMNS = (
    *("id", "index", "idx", "number", "class_id", "label_id", "class_index", "class_idx"),
    *("classid", "category_id", "class", "label", "target"),
)
_WRAPPERS = ("id2label", "label2id", "class_names", "classes", "labels", "names", "categories")

# A name may start with a number, as "3 D printer" does, so the numbers of all lines must count.
_NUMBERED = (
    re.compile(r"(\"?)(?P<at>\d{1,9})\1[ \t]*[ \t:;,.)=|][ \t]*(?:- )?(?P<name>\S.*)"),
    re.compile(r"(?P<name>\S.*?)[ \t]*[ \t:;,=|][ \t]*(\"?)(?P<at>\d{1,9})\2"),
)
_SYNSET = re.compile(r"(n\d{8})[ \t:;,]+(\S.*)")
_QUOTED = re.compile(r"(['\"])(.*)\1,?")
_BULLET = re.compile(r"- ").match


def names_in(text: str, file: str = "") -> tuple[str, ...]:
    """Return the names of classes in a text, index 0 first.

    What all lines have in common and belongs to no name is left out: their numbers, the ids of
    WordNet, and quotation marks.

    Args:
        text: the content of a file.
        file: its name; the content of a YAML file does not show that it is one.

    Raises:
        ValueError: it is a structure without one name for each number; the reason.
    """
    if is_label_map(text):
        names = read_label_map(text)
        return _ordered([*names.values()], [*names])
    found, value = _parsed(text, file)
    if found:
        return _from_value(value)
    lines = lines_of(text)
    for delimiter in ",;\t|":
        header, *rows = _cells(lines, delimiter) or [[]]
        header = [_word(cell) for cell in header]
        if len(header) < 2 or not {*header} & {*NAME_COLUMNS}:
            continue
        if rows and all(len(row) == len(header) for row in rows):
            return _from_table(header, rows)
        if len(header) == 2 and {*header} & {*_NUMBER_COLUMNS}:
            # Names with the delimiter in them, without quotation marks.
            return _from_lines(lines[1:])
    return _from_lines(lines)


def lines_of(text: str) -> tuple[str, ...]:
    """Split a list of class names into lines, without blank lines after the last name."""
    text = text.rstrip()
    return tuple(line.strip() for line in re.split(r"\r\n?|\n", text)) if text else ()


def _cells(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    try:
        return [*csv.reader(filter(None, lines), delimiter=delimiter, skipinitialspace=True)]
    except csv.Error:  # a cell of over 131,072 characters
        return []


def _from_lines(names: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in _NUMBERED:
        found = [each for line in names if (each := pattern.fullmatch(line))]
        rest = [each["name"] for each in found]
        order = _order([int(each["at"]) for each in found])
        # "1 star" to "5 stars" are names themselves.
        if order is not None and len(order) == len(names) and 2 * len({*rest}) > len(rest):
            names = tuple(rest[at] for at in order)
            break
    for pattern in (_SYNSET, _QUOTED):
        found = [each for line in names if (each := pattern.fullmatch(line))]
        rest = [each[2] for each in found]
        if len(found) == len(names) and (pattern is _QUOTED or 2 * len({*rest}) > len(rest)):
            names = tuple(rest)
    return names


def _order(numbers: Sequence[int]) -> list[int] | None:
    """Return the place of each class in a list that numbers them; None if it leaves gaps."""
    if sorted(numbers) == [*range(len(numbers))]:
        return sorted(range(len(numbers)), key=numbers.__getitem__)
    return [*range(len(numbers))] if [*numbers] == [*range(1, len(numbers) + 1)] else None


def _ordered(names: Sequence[Any], numbers: Sequence[int]) -> tuple[str, ...]:
    if (order := _order(numbers)) is None:
        few = ", ".join(map(str, numbers[:3]))
        first = min(1, *numbers) if numbers else 0
        missing = sorted({*range(first, first + len(numbers))} - {*numbers})
        more = f"; the first that is missing is {missing[0]}" if missing else ""
        raise ValueError(
            f"its numbers {few}, … do not count from 0 to {len(numbers) - 1}, so the order of "
            f"the classes is unclear{more}"
        )
    return tuple(_name(names[at]) for at in order)


def _from_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[str, ...]:
    """Read the column with names, in the order of the column with numbers if there is one."""
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    numbers = {key: [*map(int, cells)] for key, cells in columns.items() if _are_numbers(cells)}
    named = [each for each in NAME_COLUMNS if each in columns and each not in numbers]
    if not named:
        raise ValueError(f"its columns are {', '.join(header) or 'missing'}, and none holds names")
    counting = [each for each in numbers if _order(numbers[each]) is not None]
    for each in (*counting, *_NUMBER_COLUMNS):
        if each in numbers:
            return _ordered(columns[named[0]], numbers[each])
    return tuple(map(_name, columns[named[0]]))


def _are_numbers(cells: Sequence[Any]) -> bool:
    return all(re.fullmatch(r"\d{1,9}", str(each)) for each in cells)


def _parsed(text: str, file: str) -> tuple[bool, Any]:
    """Parse YAML, JSON, JSON lines or a literal of Python; tell if the text is one of these."""
    lines = list(filter(None, lines_of(text)))
    if PurePath(file).suffix in yaml_lists.SUFFIXES or (lines and all(map(_BULLET, lines))):
        value = yaml_lists.read_yaml(text)
        # Lines of names are one long string in YAML.
        return not isinstance(value, (int, str)), value
    if not text.lstrip().startswith(("[", "{")):
        return False, None
    for parse in (json.loads, _json_lines, lambda each: ast.literal_eval(each.strip())):
        try:
            return True, parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return False, None


def _json_lines(text: str) -> list[Any]:
    return [json.loads(line) for line in lines_of(text) if line]


def _from_value(value: Any) -> tuple[str, ...]:
    """Read names from a list, or from a dictionary between names and numbers."""
    if isinstance(value, Mapping):
        inner = [key for key in _WRAPPERS if isinstance(value.get(key), (dict, list))]
        if inner:
            return _agreed({key: value[key] for key in inner})
        keys, values = [*value], [*value.values()]
        by_name = all(isinstance(each, int) for each in values)
        if by_name and _are_numbers(keys) and (order := _order([*map(int, keys)])) is not None:
            by_name = False
            if _order(values) not in (None, order):
                raise ValueError("it maps numbers to numbers, so it is unclear which are the names")
        names, numbers = (keys, values) if by_name else (values, keys)
        if not _are_numbers(numbers):
            raise ValueError("it is a dictionary, but not one between numbers and names")
        return _ordered(names, [*map(int, numbers)])
    if not isinstance(value, (list, tuple)):
        raise ValueError("it is neither a list of names nor a dictionary")
    if value and all(isinstance(each, Mapping) for each in value):
        common = [key for key in value[0] if all(key in each for each in value)]
        rows = [[each[key] for key in common] for each in value]
        return _from_table([_word(key) for key in common], rows)
    return tuple(map(_name, value))


def _agreed(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names that all these values hold, by their keys; those without names do not count.

    Raises:
        ValueError: two values hold different names, or none holds any.
    """
    names: dict[tuple[str, ...], str] = {}
    reasons: list[ValueError] = []
    for key, value in found.items():
        try:
            names.setdefault(_from_value(value), key)
        except ValueError as error:
            reasons.append(error)
    if not names:
        raise reasons[0]
    if len(names) > 1:
        raise ValueError(f"{' and '.join(names.values())} hold different names of classes")
    return next(iter(names))


def _name(value: Any) -> str:
    """Return the name in an entry: Keras lists the id of WordNet in front of each."""
    if isinstance(value, Mapping):
        words = {_word(key): each for key, each in value.items()}
        value = next((words[key] for key in NAME_COLUMNS if key in words), None)
        if value is None:
            raise ValueError("an entry has no name")
    if isinstance(value, (list, tuple)):
        found = [each for each in value if isinstance(each, str)]
        value = found[-1] if found else value
    return str(value)


def _word(key: object) -> str:
    return re.sub(r"[ -]", "_", str(key).strip().lower())
