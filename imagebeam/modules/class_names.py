"""Class names: from a file of the user, or the ImageNet list for modules with 1001 classes.

`imagenet_labels.txt` holds the 1001 class names of models trained on ImageNet (ILSVRC-2012); index
0 is "background". Source: google-coral/test_data on GitHub, licensed under Apache-2.0; the words
are lemmas of WordNet synsets. Some names occur twice ("crane", "maillot"), so the index identifies
a class.
"""

from importlib import resources
from pathlib import Path

from imagebeam.modules.errors import ModuleError

IMAGENET = "imagenet"
IMAGENET_CLASS_COUNT = 1001
_MOST_CHARACTERS = 50_000_000


def imagenet_class_names() -> tuple[str, ...]:
    """Return the 1001 ImageNet names, index 0 ("background") first."""
    text = resources.files(__package__).joinpath("imagenet_labels.txt").read_text("utf-8")
    return lines_of(text)


def read_class_names(path: str | Path, class_count: int) -> tuple[str, ...]:
    """Read class names from a UTF-8 text file: one name per line, index 0 first.

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
    names = lines_of(text)
    if len(names) != class_count:
        raise ModuleError(
            f"{str(path)!r}: {len(names)} class names, but the module has {class_count} classes. "
            f"Give {class_count} lines, one name per line, index 0 first."
        )
    return names


def lines_of(text: str) -> tuple[str, ...]:
    """Split a list of class names into lines, without blank lines after the last name.

    Teachable Machine numbers its lines, `0 cat`; if all lines are numbered so, the numbers go.
    """
    text = text.rstrip()
    lines = tuple(line.strip() for line in text.split("\n")) if text else ()
    parts = [line.partition(" ") for line in lines]
    if all(name and number == str(index) for index, (number, _, name) in enumerate(parts)):
        return tuple(name.strip() for _, _, name in parts)
    return lines
