"""The results of a module for a batch of images, and the operations on their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagebeam.modules.output_kinds import FEATURES, KINDS, LOGITS, SCORES
from imagebeam.modules.types import FloatArray


@dataclass(frozen=True, eq=False)
class ModelOutputs:
    """The results for N images.

    Attributes:
        logits: float32 (N, classes), or None when the module ends in a softmax or has no classes.
        scores: float32 (N, classes), softmax probabilities, or None without classes.
        features: float32 (N, length), or None when the module has no feature head.
    """

    logits: FloatArray | None = None
    scores: FloatArray | None = None
    features: FloatArray | None = None

    @classmethod
    def from_heads(cls, heads: Mapping[str, FloatArray], percent: bool = False) -> "ModelOutputs":
        """Wrap the computed heads; without scores, they are computed from the logits.

        Args:
            heads: the values of each, (N, length).
            percent: whether the scores are from 0 to 100.
        """
        logits, scores = heads.get(LOGITS), heads.get(SCORES)
        if logits is not None and logits.shape[1] == 1:
            # One logit separates two classes: the softmax of (0, x) is (1 - p, p).
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        if scores is not None and percent:
            scores = scores / np.float32(100)
        if scores is None and logits is not None:
            scores = softmax(logits)
        if scores is not None and scores.shape[1] == 1:
            scores = np.concatenate([1 - scores, scores], axis=1)
        return cls(logits=logits, scores=scores, features=heads.get(FEATURES))

    @classmethod
    def concatenate(cls, pieces: "Sequence[ModelOutputs]") -> "ModelOutputs":
        """Join the rows of all `pieces`, in order."""
        if len(pieces) == 1:
            return pieces[0]

        def join(head: str) -> FloatArray | None:
            values = [getattr(piece, head) for piece in pieces]
            return None if not values or values[0] is None else np.concatenate(values)

        return cls(*(join(head) for head in KINDS))

    def finite_rows(self, count: int) -> npt.NDArray[np.bool_]:
        """Return for each of `count` rows whether all its values are finite: bool (count,)."""
        finite = np.ones(count, np.bool_)
        for head in KINDS:
            if (values := getattr(self, head)) is not None:
                finite &= np.isfinite(values).all(axis=1)
        return finite

    def select(self, rows: npt.NDArray[np.bool_]) -> "ModelOutputs":
        """Keep the rows where the mask `rows` is true."""
        heads = (getattr(self, head) for head in KINDS)
        return ModelOutputs(*(None if values is None else values[rows] for values in heads))


def softmax(logits: FloatArray) -> FloatArray:
    """Turn logits float32 (N, classes) into probabilities of the same shape."""
    scores: FloatArray = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)
    return scores
