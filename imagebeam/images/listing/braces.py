"""Expand braces in the names of inputs."""

import re
from collections.abc import Iterator
from itertools import product

from imagebeam.images.errors import InputError

_MOST_NAMES = 100_000

_NUMBERS = re.compile(r"(\d{1,100})\.\.(\d{1,100})")
# A range from a small letter to a capital would hold other characters.
_LETTERS = re.compile(r"[a-z]\.\.[a-z]|[A-Z]\.\.[A-Z]")
_BRACES = re.compile(r"\{([^{}]*(?:,|\.\.)[^{}]*)\}")


def expand_braces(text: str) -> list[str]:
    """Return the names that a pattern stands for.

    Braces hold a range of numbers or letters or a choice, as in `train-{000..002}.tar`,
    `disk-{a..c}/` and `{a,b}.jpg`. Others are part of the name.

    Raises:
        InputError: these are too many.
    """
    pieces = _BRACES.split(text)
    if len(pieces) == 1:
        return [text]
    choices: list[list[str]] = []
    count = 1
    for position, piece in enumerate(pieces):
        choices.append(list(_choices(piece, text)) if position % 2 else [piece])
        count *= len(choices[-1])
        if count > _MOST_NAMES:
            raise InputError(f"{text}: it stands for more than {_MOST_NAMES:,} names. Use a glob.")
    return ["".join(parts) for parts in product(*choices)]


def _choices(piece: str, text: str) -> Iterator[str]:
    if bounds := _NUMBERS.fullmatch(piece):
        width = len(bounds[1]) if bounds[1].startswith("0") or bounds[2].startswith("0") else 0
        for number in _range(int(bounds[1]), int(bounds[2]), text):
            yield str(number).zfill(width)
    elif _LETTERS.fullmatch(piece):
        yield from map(chr, _range(ord(piece[0]), ord(piece[-1]), text))
    elif "," in piece:
        yield from piece.split(",")
    else:
        yield f"{{{piece}}}"


def _range(first: int, last: int, text: str) -> range:
    if abs(last - first) >= _MOST_NAMES:
        raise InputError(f"{text}: it stands for more than {_MOST_NAMES:,} names. Use a glob.")
    step = 1 if last >= first else -1
    return range(first, last + step, step)
