"""Rows of answers, whatever heads a module has."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from imagebeam.modules import ModelOutputs

_HEADS = ("logits", "scores", "features")


def finite_rows(answers: ModelOutputs, count: int) -> npt.NDArray[np.bool_]:
    """Whether each of `count` rows is finite under every head: bool (count,)."""
    finite = np.ones(count, np.bool_)
    for head in _HEADS:
        if (values := getattr(answers, head)) is not None:
            finite &= np.isfinite(values).all(axis=1)
    return finite


def rows_of(answers: ModelOutputs, chosen: npt.NDArray[np.bool_]) -> ModelOutputs:
    """The answers of the rows that are chosen."""

    def some(head: str) -> npt.NDArray[np.float32] | None:
        values: npt.NDArray[np.float32] | None = getattr(answers, head)
        return None if values is None else values[chosen]

    return ModelOutputs(*(some(head) for head in _HEADS))


def joined(pieces: Sequence[ModelOutputs]) -> ModelOutputs:
    """The rows of all pieces, in order."""
    if len(pieces) == 1:
        return pieces[0]

    def whole(head: str) -> npt.NDArray[np.float32] | None:
        values = [getattr(piece, head) for piece in pieces]
        return None if not values or values[0] is None else np.concatenate(values)

    return ModelOutputs(*(whole(head) for head in _HEADS))
