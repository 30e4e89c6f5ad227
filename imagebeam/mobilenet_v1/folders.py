"""The pictures of classes, and their division into a part for training and one for testing."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagebeam.mobilenet_v1.errors import NetworkError


@dataclass(frozen=True)
class LabelledPicture:
    """The file of a picture and the number of its class."""

    path: Path
    label: int


@dataclass(frozen=True)
class LabelledFolder:
    """The pictures in a folder of classes.

    Attributes:
        classes: the names of its folders, sorted; the position here is the number of the class.
        samples: all pictures, class by class, sorted by path within each class.
    """

    classes: tuple[str, ...]
    samples: tuple[LabelledPicture, ...]


def split(
    samples: Sequence[LabelledPicture], held_out: float, seed: int
) -> tuple[list[LabelledPicture], list[LabelledPicture]]:
    """Divide every class into a part for training and a part for testing.

    Args:
        samples: at least two per class.
        held_out: part of each class for testing, in (0, 1); at least one and never all pictures.
        seed: determines the selection.

    Returns:
        The training pictures, then the held-out pictures.
    """
    if not 0 < held_out < 1:
        raise NetworkError(f"held-out part {held_out}: must lie between 0 and 1.")
    learnt: list[LabelledPicture] = []
    tested: list[LabelledPicture] = []
    for label in sorted({sample.label for sample in samples}):
        members = [sample for sample in samples if sample.label == label]
        order = np.random.default_rng([seed, label]).permutation(len(members))
        count = min(max(round(held_out * len(members)), 1), len(members) - 1)
        tested += [members[index] for index in order[:count]]
        learnt += [members[index] for index in order[count:]]
    return learnt, tested


def refuse_lost_classes(
    samples: Sequence[LabelledPicture], labels: Sequence[int], skipped: Sequence[str]
) -> None:
    """Raise NetworkError if none of the pictures of a class is left.

    Args:
        samples: the pictures.
        labels: the classes of those that were decoded.
        skipped: the others, each as "path: reason".
    """
    lost = {sample.label for sample in samples} - set(labels)
    for sample in samples:
        if sample.label in lost:
            reason = next(line for line in skipped if line.startswith(str(sample.path)))
            folder = os.path.commonpath(
                [each.path.parent for each in samples if each.label == sample.label]
            )
            raise NetworkError(
                f"{folder}: too few of its pictures can be decoded. {reason}. "
                "Add pictures or remove the folder."
            )
