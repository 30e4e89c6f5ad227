"""Folders of classes: `IMAGES/CLASS/PICTURE`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagebeam.mobilenet_v1.errors import NetworkError


@dataclass(frozen=True)
class Sample:
    """A picture's file and the number of its class."""

    path: Path
    label: int


@dataclass(frozen=True)
class LabelledFolder:
    """What a folder of classes holds.

    Attributes:
        classes: the names of its folders, sorted; a class's number is its place here.
        samples: all pictures, class by class, sorted by name within each.
    """

    classes: tuple[str, ...]
    samples: tuple[Sample, ...]


def read_folder(root: Path) -> LabelledFolder:
    """List the pictures below `root`, each in the folder of its class.

    Hidden files and folders are passed over, as are folders within a class's folder.

    Raises:
        NetworkError: no such folder, fewer than two classes, or a class without pictures.
    """
    if not root.is_dir():
        raise NetworkError(f"{root}: not a folder. Give one that holds a folder for every class.")
    folders = [path for path in _visible(root) if path.is_dir()]
    if len(folders) < 2:
        raise NetworkError(
            f"{root}: {len(folders)} class folders. Give one that holds at least two, "
            "each named after its class."
        )
    samples = []
    for label, folder in enumerate(folders):
        files = [path for path in _visible(folder) if path.is_file()]
        if len(files) < 2:
            raise NetworkError(
                f"{folder}: {len(files)} pictures. A class needs at least two, one to learn from "
                "and one to hold out: add some or remove the folder."
            )
        samples += [Sample(path, label) for path in files]
    return LabelledFolder(tuple(folder.name for folder in folders), tuple(samples))


def split(
    samples: Sequence[Sample], held_out: float, seed: int
) -> tuple[list[Sample], list[Sample]]:
    """Divide every class into a part to learn from and a part to test on.

    Args:
        samples: at least two of every class.
        held_out: part of each class to test on, in (0, 1); rounded, but never none or all.
        seed: decides which pictures; the same seed takes the same ones.

    Returns:
        What to learn from, then what is held out.
    """
    if not 0 < held_out < 1:
        raise NetworkError(f"held-out part {held_out}: must lie between 0 and 1.")
    learnt: list[Sample] = []
    tested: list[Sample] = []
    for label in sorted({sample.label for sample in samples}):
        members = [sample for sample in samples if sample.label == label]
        order = np.random.default_rng([seed, label]).permutation(len(members))
        count = min(max(round(held_out * len(members)), 1), len(members) - 1)
        tested += [members[index] for index in order[:count]]
        learnt += [members[index] for index in order[count:]]
    return learnt, tested


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
