"""Compare the labels of two outputs, in memory of some 20 bytes per image."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.reading import Output

_ROW = np.dtype([("name", "<u8"), ("label", "<i4"), ("score", "<f4")])
_BUFFER_ROWS = 1 << 16
_MATRIX = 12
"""Classes in the lines of a matrix."""

Rows = npt.NDArray[np.void]
"""(N,) rows of an output, in the fields of `_ROW`, sorted by name."""


@dataclass(frozen=True)
class Move:
    """Images that one output labels `old` and the other `new`."""

    old: str
    new: str
    images: int


@dataclass(frozen=True)
class ClassAgreement:
    """The images that the old output gives one label, and how many keep it."""

    label: str
    images: int
    agree: int


@dataclass(frozen=True)
class Flip:
    """An image with two labels."""

    uri: str
    old: str
    old_score: float
    new: str
    new_score: float


@dataclass(frozen=True)
class Matrix:
    """The number of images that changed from one class to another, for the classes that lose most.

    Attributes:
        old: labels of the old output, one per line of `images`.
        new: labels of the new output, one per column but the last, which is for all others.
        images: number of images with both labels.
    """

    old: Sequence[str]
    new: Sequence[str]
    images: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Comparison:
    """The changes from an old output to a new one.

    Attributes:
        common: images that both have.
        agree: those with the same label.
        only_old: images that only the old output has.
        only_new: images that only the new output has.
        moves: pairs of labels, the most frequent first.
        classes: the classes of the old output, those that lose most images first.
        flips: images of which both outputs are most confident, with different labels.
        matrix: moves between the classes that lose most images.
        only_old_names: some of the images that only the old output has.
        only_new_names: some of the images that only the new output has.
    """

    common: int
    agree: int
    only_old: int
    only_new: int
    moves: Sequence[Move]
    classes: Sequence[ClassAgreement]
    flips: Sequence[Flip]
    matrix: Matrix
    only_old_names: Sequence[str]
    only_new_names: Sequence[str]

    @property
    def drift(self) -> float:
        """Return the share of common images whose label changed."""
        return 1 - self.agree / self.common


def compare(old: Output, new: Output, most: int = 20) -> Comparison:
    """Compare the best label of every image that two outputs have in common.

    Args:
        old: the output to start from.
        new: the output with the changes.
        most: entries in each list of the result.

    Raises:
        OutputError: an output has no labels, or they have no image in common.
    """
    labels: dict[str, int] = {}
    rows = [_read(output, labels) for output in (old, new)]
    _, *places = np.intersect1d(
        rows[0]["name"], rows[1]["name"], assume_unique=True, return_indices=True
    )
    before, after = rows[0][places[0]], rows[1][places[1]]
    if not len(before):
        raise OutputError(
            f"{old.layout.root} and {new.layout.root}: have no image in common, such as "
            f"{_first(old)!r} and {_first(new)!r}. Compare outputs of the same images."
        )
    names = list(labels)
    is_same = before["label"] == after["label"]
    changed = np.flatnonzero(~is_same)
    classes = _classes(before["label"], is_same, names)[:most]
    moves = _moves(before[changed], after[changed], names)
    only = [np.setdiff1d(rows[side]["name"], rows[1 - side]["name"])[:most] for side in (0, 1)]
    confidence = np.minimum(before["score"], after["score"])[changed]
    surest = changed[np.argsort(-confidence, kind="stable")[:most]]
    # A second pass, because names of all images would not fit into memory.
    old_uris = _uris(old, only[0].tolist())
    new_uris = _uris(new, [*only[1].tolist(), *after["name"][surest].tolist()])
    return Comparison(
        common=len(before),
        agree=int(is_same.sum()),
        only_old=len(rows[0]) - len(before),
        only_new=len(rows[1]) - len(before),
        moves=moves[:most],
        classes=classes,
        flips=[
            Flip(
                new_uris[int(now["name"])],
                *(names[was["label"]], float(was["score"])),
                *(names[now["label"]], float(now["score"])),
            )
            for was, now in zip(before[surest], after[surest], strict=True)
        ],
        matrix=_matrix(moves, classes),
        only_old_names=sorted(old_uris[int(name)] for name in only[0]),
        only_new_names=sorted(new_uris[int(name)] for name in only[1]),
    )


def _uris(output: Output, wanted: Sequence[int]) -> dict[int, str]:
    """Return the names that numbers stand for."""
    missing = set(wanted)
    found: dict[int, str] = {}
    for row in output.rows(("uri",)) if missing else ():
        if (number := _number(row["uri"])) in missing:
            found[number] = row["uri"]
    return found


def _matrix(moves: Sequence[Move], classes: Sequence[ClassAgreement]) -> Matrix:
    """Return the matrix of the classes that lose most images."""
    losing = {each.label: each.agree for each in classes if each.agree < each.images}
    old = list(losing)[:_MATRIX]
    now = Counter({label: losing[label] for label in old})
    for move in moves:
        if move.old in old:
            now[move.new] += move.images
    frequent = [label for label, images in now.most_common(_MATRIX + len(old)) if images]
    # The same order in lines and columns puts images that keep their label near the diagonal.
    others = [label for label in frequent if label not in old][: _MATRIX // 2]
    new = [*(label for label in old if now[label]), *others]
    images = [[0] * (len(new) + 1) for _ in old]
    for line, label in enumerate(old):
        if label in new:
            images[line][new.index(label)] = losing[label]
    for move in moves:
        if move.old in old:
            column = new.index(move.new) if move.new in new else len(new)
            images[old.index(move.old)][column] += move.images
    return Matrix(old, new, images)


def _read(output: Output, labels: dict[str, int]) -> Rows:
    columns = ("uri", "label", "score")
    output.require(columns, "compare")
    chunks: list[Rows] = []
    buffer: list[tuple[int, int, float]] = []
    for row in output.rows(columns):
        label = labels.setdefault(row["label"], len(labels))
        buffer.append((_number(row["uri"]), label, row["score"]))
        if len(buffer) == _BUFFER_ROWS:
            chunks.append(np.array(buffer, _ROW))
            buffer = []
    rows = np.concatenate([*chunks, np.array(buffer, _ROW)])
    if not len(rows):
        raise OutputError(
            f"{output.layout.root}: has no labelled image. Compare outputs of the same images."
        )
    # An image that a damaged output has twice counts once.
    return rows[np.unique(rows["name"], return_index=True)[1]]


def _number(uri: str) -> int:
    """Return 64 bits that stand for a name: of a billion names, two agree with odds of 1 in 40."""
    return int.from_bytes(hashlib.blake2b(uri.encode(), digest_size=8).digest(), "little")


def _first(output: Output) -> str:
    return str(next(output.rows(("uri",)))["uri"])


def _moves(before: Rows, after: Rows, names: Sequence[str]) -> list[Move]:
    pairs, counts = np.unique(
        np.stack([before["label"], after["label"]]), axis=1, return_counts=True
    )
    moves = [
        Move(names[old], names[new], int(count))
        for old, new, count in zip(*pairs, counts, strict=True)
    ]
    return sorted(moves, key=lambda move: (-move.images, move.old, move.new))


def _classes(
    labels: npt.NDArray[np.int32], is_same: npt.NDArray[np.bool_], names: Sequence[str]
) -> list[ClassAgreement]:
    images = np.bincount(labels, minlength=len(names))
    agree = np.bincount(labels[is_same], minlength=len(names))
    found = [
        ClassAgreement(name, int(count), int(same))
        for name, count, same in zip(names, images, agree, strict=True)
        if count
    ]
    return sorted(found, key=lambda each: (each.agree - each.images, each.label))
