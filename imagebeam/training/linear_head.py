"""Fit a linear classifier to feature vectors: multinomial logistic regression.

The loss is convex, so full batches with Nesterov's momentum and a step of 1 / L reach its minimum
without a learning rate to choose (Y. Nesterov, "A method for solving the convex programming problem
with convergence rate O(1/k²)", 1983). NumPy is enough, so this needs no TensorFlow.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagebeam.modules.model_outputs import softmax
from imagebeam.modules.types import FloatArray

_ITERATIONS = 2000
_CHECK_EVERY = 10
_PENALTY = 1e-3
"""Weight of the squared weights in the loss, for standardised features."""

Classes = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class LinearHead:
    """A linear classifier: logits = weights @ features + bias.

    Attributes:
        weights: float32 (classes, length of the features).
        bias: float32 (classes,).
        iterations: number of steps until the best loss on the validation images.
    """

    weights: FloatArray
    bias: FloatArray
    iterations: int

    def logits(self, features: FloatArray) -> FloatArray:
        """Compute logits, float32 (N, classes), of features, float32 (N, length)."""
        result: FloatArray = features @ self.weights.T + self.bias
        return result


@dataclass(frozen=True, eq=False)
class Examples:
    """Feature vectors and the classes of their images.

    Attributes:
        features: float32 (N, length).
        classes: int (N,).
    """

    features: FloatArray
    classes: Classes


def class_weights(classes: Classes, class_count: int) -> FloatArray:
    """Return the weight of each class at which all count equally: float32 (class_count,)."""
    counts = np.bincount(classes, minlength=class_count)
    return (len(classes) / (class_count * np.maximum(counts, 1))).astype(np.float32)


def fit(
    learnt: Examples,
    validated: Examples,
    weights: FloatArray,
    patience: int | None = None,
    iterations: int = _ITERATIONS,
) -> LinearHead:
    """Fit a classifier and return the one with the lowest loss on the validation images.

    Args:
        learnt: images to train on.
        validated: images to choose the best iteration by.
        weights: the weights of each class in the loss, float32 (classes,).
        patience: checks, one every ten iterations, without a better loss after which training
            stops; None for never.
        iterations: the most that are made.
    """
    mean, deviation = learnt.features.mean(axis=0), learnt.features.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1)
    inputs, tests = (
        np.pad((each.features - mean) / scale, ((0, 0), (0, 1)), constant_values=1).astype(
            np.float32
        )
        for each in (learnt, validated)
    )
    targets = np.eye(len(weights), dtype=np.float32)[learnt.classes]
    emphasis = (weights[learnt.classes] / weights[learnt.classes].sum())[:, np.newaxis]
    # The Hessian of the loss is at most half of this matrix.
    curvature = float(np.linalg.eigvalsh((inputs * emphasis).T @ inputs)[-1])
    step = 1 / (curvature / 2 + _PENALTY)
    current = previous = np.zeros((inputs.shape[1], len(weights)), np.float32)
    best, best_loss, best_at = current, np.inf, 0
    for iteration in range(1, iterations + 1):
        ahead = current + (iteration - 1) / (iteration + 2) * (current - previous)
        gradient = inputs.T @ ((softmax(inputs @ ahead) - targets) * emphasis) + _PENALTY * ahead
        previous, current = current, ahead - np.float32(step) * gradient
        if iteration % _CHECK_EVERY == 0:
            loss = _loss(tests @ current, validated.classes, weights)
            if loss < best_loss:
                best, best_loss, best_at = current, loss, iteration
            elif patience is not None and iteration - best_at >= patience * _CHECK_EVERY:
                break
    slopes = best[:-1].T / scale
    return LinearHead(
        slopes.astype(np.float32), (best[-1] - slopes @ mean).astype(np.float32), best_at
    )


def _loss(logits: FloatArray, classes: Classes, weights: FloatArray) -> float:
    """Return the mean cross-entropy in nats, weighted by class."""
    highest = logits.max(axis=1)
    total = highest + np.log(np.exp(logits - highest[:, np.newaxis]).sum(axis=1))
    losses = total - logits[np.arange(len(classes)), classes]
    return float((losses * weights[classes]).sum() / weights[classes].sum())
