"""Probe pictures: the outputs for them show what a module computes, and if its answers vary."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from imagebeam.modules.input_ranges import CANDIDATES, Range
from imagebeam.modules.output_kinds import FEATURES, LOGITS, SCORES
from imagebeam.modules.types import FloatArray, Pixels

SIGMOID, SOFTMAX, PERCENT, POOLING = "sigmoid", "softmax", "percent", "pooling"
"""The ends of a network: sigmoids give independent scores; "percent" is one of the first two times
100; no classifier ends in a pooling, an activation or a normalisation of its length."""

_PROBE_COUNT = 6
# The error of a float32 vector of some thousand values is smaller.
_LENGTH_TOLERANCE = 1e-3
# The sums of the rows of a quantised softmax miss one by rounding alone.
_SUM_TOLERANCE = 0.05
# Right answers differ by whole logits between the probe pictures, those of a network whose input
# is a 255th of what it expects by some hundredths.
_LEAST_SPREAD = 0.05


def probe_pictures(size: tuple[int, int], count: int = _PROBE_COUNT) -> Pixels:
    """Make uint8 (count, height, width, 3): soft random blobs of colour, the same on every call.

    Networks give nearly the same scores for every picture of plain noise; blobs of the size of
    objects change them.
    """
    generator = np.random.default_rng(0)
    coarse = generator.uniform(0, 255, (count, 9, 9, 3))
    rows, columns = (np.linspace(0, 8, length) for length in size)
    pictures = np.empty((count, *size, 3), np.uint8)
    for picture, values in zip(pictures, coarse, strict=True):
        # One at a time: the memory of the steps between stays in the cache of the processor.
        picture[:] = _interpolate(_interpolate(values, rows, 0), columns, 1).round()
    return pictures


def probe_batches(size: tuple[int, int], batch: int | None) -> Pixels:
    """Make uint8 (batches, N, height, width, 3): all probe pictures in batches of one length.

    Args:
        size: (height, width) of the pictures.
        batch: their number in a batch; None for any.
    """
    pictures = probe_pictures(size)
    length = batch or len(pictures)
    count = -(-len(pictures) // length)
    return np.resize(pictures, (count, length, *size, 3))


def _interpolate(
    values: npt.NDArray[np.float64], positions: npt.NDArray[np.float64], axis: int
) -> npt.NDArray[np.float64]:
    before = np.minimum(positions.astype(int), values.shape[axis] - 2)
    shape = [1] * values.ndim
    shape[axis] = len(positions)
    weight = (positions - before).reshape(shape)
    first, second = values.take(before, axis), values.take(before + 1, axis)
    between: npt.NDArray[np.float64] = first * (1 - weight) + second * weight
    return between


def kind_of_classifier(
    rows: FloatArray, ends_in: str | None, has_sigmoids: bool, has_names: bool
) -> str:
    """Return what the output is that was taken for logits: logits, scores or features.

    Args:
        rows: its values for the probe pictures, (N, length).
        ends_in: `SIGMOID`, `SOFTMAX`, `PERCENT` or `POOLING` if the network ends so.
        has_sigmoids: whether the network has sigmoids anywhere.
        has_names: whether there is a class name for each value.
    """
    if ends_in in (SIGMOID, SOFTMAX, PERCENT) or are_probabilities(rows) or are_percentages(rows):
        return SCORES
    if not has_names and (ends_in == POOLING or _are_unit_vectors(rows)):
        return FEATURES
    return SCORES if has_sigmoids and are_independent(rows) else LOGITS


def are_independent(rows: npt.NDArray[np.floating]) -> bool:
    """Return whether `rows`, float (N, classes), are results of sigmoids."""
    inside = bool((rows >= 0).all() and (rows <= 1).all())
    return inside and bool((abs(rows.sum(axis=1) - 1) > _SUM_TOLERANCE).any())


def are_probabilities(rows: npt.NDArray[np.floating]) -> bool:
    """Return whether every row of `rows`, float (N, classes), is non-negative and sums to one."""
    return bool((rows >= 0).all() and (abs(rows.sum(axis=1) - 1) <= _SUM_TOLERANCE).all())


def are_percentages(rows: FloatArray) -> bool:
    """Return whether every row of `rows`, float (N, classes), is non-negative and sums to 100."""
    return are_probabilities(rows / 100)


def _are_unit_vectors(rows: FloatArray) -> bool:
    lengths = np.linalg.norm(rows, axis=1)
    return rows.shape[1] > 1 and bool((abs(lengths - 1) < _LENGTH_TOLERANCE).all())


def are_constant(rows: Mapping[str, FloatArray]) -> bool:
    """Return whether the answers for the probe pictures are the same, so that they mean nothing.

    The ratios of scores are compared: a network with classes that are all unlikely for the probe
    pictures still weighs them differently. Features differ even where the classes do not.

    Args:
        rows: the values of each head for the pictures, (N, length).
    """
    answers = {kind: values for kind, values in rows.items() if kind != FEATURES} or rows
    return all(_spread(values, kind) < _LEAST_SPREAD for kind, values in answers.items())


def varying_ranges(rows_with: Callable[[Range], Mapping[str, FloatArray]]) -> tuple[Range, ...]:
    """Return the usual input ranges with which the answers for the probe pictures differ.

    Args:
        rows_with: computes the values of each head for the pictures in a range.
    """
    return tuple(each for each in CANDIDATES if not are_constant(rows_with(each)))


def _spread(rows: FloatArray, kind: str) -> float:
    """Return by how much the values differ between rows: logits, or features by their length."""
    values = rows.astype(np.float64)
    if kind == SCORES:
        if rows.shape[1] == 1:
            values = np.hstack([1 - values, values])
        values = np.log(values.clip(1e-30))
    elif kind == LOGITS and rows.shape[1] > 1:
        # A value that all classes share does not change the scores.
        values = values - values.max(axis=1, keepdims=True)
    spread = float(np.ptp(values, axis=0).max())
    if kind == FEATURES:
        return spread / max(float(abs(values).max()), 1e-30)
    return spread
