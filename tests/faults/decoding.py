"""Pictures that do to their decoder what is asked, and what became of them."""

from collections.abc import Iterable
from pathlib import Path

import psutil
from PIL import Image

from images.errors import ImageError
from images.outcomes import Outcome
from images.preprocessing import Preprocessing

PLUGIN = Path(__file__).with_name("plugin")
"""First on Python's path, it lets files ask for faults; see there for which."""

SIZE = (8, 8)
PREPROCESSING = Preprocessing(SIZE)


def bmp(path: Path, level: int, fault: str = "") -> str:
    """Save a grey picture of 10×10 that asks for a fault, or for none; its URI."""
    Image.new("L", (10, 10), level).save(path)
    if fault:
        with path.open("ab") as file:
            file.write(f"fault:{fault}@{path}".encode())
    return str(path)


def seen(outcomes: Iterable[Outcome]) -> list[int | str]:
    """The level of each picture, or the code of its error."""
    return [
        outcome.code if isinstance(outcome, ImageError) else _level(outcome.pixels.tolist())
        for outcome in outcomes
    ]


def _level(pixels: list[list[list[int]]]) -> int:
    [level] = {channel for row in pixels for pixel in row for channel in pixel}
    return level


strangers: set[psutil.Process] = set()
"""Processes that earlier tests left to this one, such as a job's reader that Beam still holds."""


def children() -> list[psutil.Process]:
    """The processes below this one, dead ones that nobody has waited for among them."""
    found = psutil.Process().children(recursive=True)
    return [child for child in found if child not in strangers]
