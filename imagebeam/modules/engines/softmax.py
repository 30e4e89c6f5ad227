"""The softmax of modules that end in logits."""

from __future__ import annotations

import numpy as np

from imagebeam.modules.types import FloatArray


def softmax(logits: FloatArray) -> FloatArray:
    """Probabilities float32 (N, classes) of `logits` float32 (N, classes)."""
    scores: FloatArray = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)
    return scores
