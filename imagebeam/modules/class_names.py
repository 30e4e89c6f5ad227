"""Class names: from a file of the user, or the ImageNet list for modules with 1001 classes.

`imagenet_labels.txt` holds the 1001 class names of models trained on ImageNet (ILSVRC-2012); index
0 is "background". Source: google-coral/test_data on GitHub, licensed under Apache-2.0; the words
are lemmas of WordNet synsets. Some names occur twice ("crane", "maillot"), so the index identifies
a class.
"""

import codecs
from importlib import resources
from pathlib import Path

from imagebeam.modules.class_lists import NAME_COLUMNS, lines_of, names_in
from imagebeam.modules.errors import ModuleError
from imagebeam.storage.regular_files import regular_file

IMAGENET = "imagenet"
IMAGENET_CLASS_COUNT = 1001
_MOST_BYTES = 50_000_000


def imagenet_class_names() -> tuple[str, ...]:
    """Return the 1001 ImageNet names, index 0 ("background") first."""
    text = resources.files(__package__).joinpath("imagenet_labels.txt").read_text("utf-8")
    return lines_of(text)


def read_class_names(path: str | Path, class_count: int) -> tuple[str, ...]:
    """Read class names from a text file, see `class_lists`; index 0 first.

    The word "imagenet" instead of a path stands for the names of ImageNet, with or without
    "background".

    Raises:
        ModuleError: the file cannot be read, or the number of names is not `class_count`.
    """
    if str(path) == IMAGENET:
        if class_count in (IMAGENET_CLASS_COUNT - 1, IMAGENET_CLASS_COUNT):
            return imagenet_class_names()[-class_count:]
        if not Path(path).is_file():
            raise ModuleError(
                f"{IMAGENET!r}: {IMAGENET_CLASS_COUNT - 1:,} class names, or "
                f"{IMAGENET_CLASS_COUNT:,} with the background, but the module has "
                f"{class_count:,} classes. Give a file with their names."
            )
    try:
        names = names_in(_read_text(Path(path)), str(path))
    except (OSError, ValueError) as error:
        raise ModuleError(
            f"{str(path)!r}: cannot read class names ({error}). "
            "Give a UTF-8 text file with one name per line."
        ) from error
    if len(names) == class_count + 1 and names[0].lower() in NAME_COLUMNS:
        names = names[1:]
    if len(names) != class_count:
        cure = f"Give {class_count} lines, one name per line, index 0 first."
        if len(names) == class_count - 1:
            cure += (
                " If class 0 is the background, name it in the first line, or with the number 0."
            )
        raise ModuleError(
            f"{str(path)!r}: {len(names)} class names, but the module has {class_count} classes. "
            f"{cure}"
        )
    return names


def _read_text(path: Path) -> str:
    """Read UTF-8, or UTF-16 if a mark at the front says so.

    Raises:
        OSError: it cannot be read.
        ValueError: it is another encoding.
    """
    with regular_file(path) as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise OSError(f"it has more than {_MOST_BYTES:,} bytes")
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf16 else "utf-8-sig")
