"""Class names: from a file of the user, or the ImageNet list for modules with 1001 classes.

`imagenet_labels.txt` holds the 1001 class names of models trained on ImageNet (ILSVRC-2012); index
0 is "background". Source: google-coral/test_data on GitHub, licensed under Apache-2.0; the words
are lemmas of WordNet synsets. Some names occur twice ("crane", "maillot"), so the index identifies
a class.
"""

import ast
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from imagebeam.modules.errors import ModuleError

IMAGENET = "imagenet"
IMAGENET_CLASS_COUNT = 1001
_MOST_CHARACTERS = 50_000_000


def imagenet_class_names() -> tuple[str, ...]:
    """Return the 1001 ImageNet names, index 0 ("background") first."""
    text = resources.files(__package__).joinpath("imagenet_labels.txt").read_text("utf-8")
    return lines_of(text)


def read_class_names(path: str | Path, class_count: int) -> tuple[str, ...]:
    """Read class names from a UTF-8 text file: see `names_in`; index 0 first.

    The word "imagenet" instead of a path stands for the names of ImageNet, with or without
    "background".

    Raises:
        ModuleError: the file cannot be read, or the number of names is not `class_count`.
    """
    if str(path) == IMAGENET and class_count in (IMAGENET_CLASS_COUNT - 1, IMAGENET_CLASS_COUNT):
        return imagenet_class_names()[-class_count:]
    try:
        # A device such as /dev/zero has no end, and opening a named pipe may wait forever.
        if Path(path).exists() and not Path(path).is_file():
            raise OSError("it is not a regular file")
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(_MOST_CHARACTERS + 1)
        if len(text) > _MOST_CHARACTERS:
            raise OSError(f"it has more than {_MOST_CHARACTERS:,} characters")
    except (OSError, UnicodeDecodeError) as error:
        raise ModuleError(
            f"{str(path)!r}: cannot read class names ({error}). "
            "Give a UTF-8 text file with one name per line."
        ) from error
    names = names_in(text)
    if len(names) != class_count:
        raise ModuleError(
            f"{str(path)!r}: {len(names)} class names, but the module has {class_count} classes. "
            f"Give {class_count} lines, one name per line, index 0 first."
        )
    return names


def lines_of(text: str) -> tuple[str, ...]:
    """Split a list of class names into lines, without blank lines after the last name."""
    text = text.rstrip()
    return tuple(line.strip() for line in text.split("\n")) if text else ()


def names_in(text: str) -> tuple[str, ...]:
    """Return the names of classes in a text: JSON, a literal of Python, or one name per line.

    What all lines have in common and belongs to no name is left out: their numbers from 0 or 1, the
    ids of WordNet, and quotation marks.
    """
    if (listed := _listed(text)) is not None:
        return listed
    names = lines_of(text)
    for part in (_NUMBER, _SYNSET):
        found = [each for name in names if (each := part.fullmatch(name))]
        rest = tuple(each[2] for each in found)
        numbered = part is not _NUMBER or _count_up([each[1] for each in found])
        # "1 star" to "5 stars" are names themselves.
        if len(found) == len(names) and numbered and 2 * len({*rest}) > len(rest):
            names = rest
    found = [each for name in names if (each := _QUOTED.fullmatch(name))]
    return tuple(each[2] for each in found) if len(found) == len(names) else names


# A name may start with a number, as "3 D printer" does, so all lines must count up.
_NUMBER = re.compile(r"(\d{1,9})[ \t]*[ \t:;,.)][ \t]*(\S.*)")
_QUOTED = re.compile(r"(['\"])(.*)\1,?")
_SYNSET = re.compile(r"(n\d{8})[ \t:;,]+(\S.*)")


def _count_up(numbers: Sequence[str]) -> bool:
    found = [*map(int, numbers)]
    return any(found == [*range(first, first + len(found))] for first in (0, 1))


def _listed(text: str) -> tuple[str, ...] | None:
    """Read names from a list, or from a dictionary between names and indices; else None."""
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    if isinstance(value, dict) and isinstance(inner := value.get("id2label"), dict):
        value = inner
    if isinstance(value, dict):
        by_name = all(isinstance(each, int) for each in value.values())
        pairs = [(at, name) if by_name else (name, at) for name, at in value.items()]
        try:
            by_index = {int(at): name for at, name in pairs}
        except (TypeError, ValueError):
            return None
        if sorted(by_index) != [*range(len(value))]:
            return None
        value = [by_index[at] for at in range(len(value))]
    if not isinstance(value, list):
        return None
    # Keras lists the id of WordNet in front of each name.
    return tuple(str(each[-1] if isinstance(each, list) and each else each) for each in value)
