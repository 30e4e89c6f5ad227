"""Probe pictures: the outputs for them show what a module computes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imagebeam.modules.types import Pixels

_PROBE_COUNT = 6
# The error of a float32 softmax over some thousand classes is smaller.
_SUM_TOLERANCE = 1e-3
# The rows of a quantised softmax miss one by rounding alone.
_LEAST_DISTANCE = 0.05


def probe_pictures(size: tuple[int, int], count: int = _PROBE_COUNT) -> Pixels:
    """Make uint8 (count, height, width, 3): soft random blobs of colour, the same on every call.

    Networks give nearly the same scores for every picture of plain noise; blobs of the size of
    objects change them.
    """
    height, width = size
    generator = np.random.default_rng(0)
    coarse = generator.uniform(0, 255, (count, 9, 9, 3))
    rows, columns = (np.linspace(0, 8, length) for length in (height, width))
    pictures: Pixels = (
        _interpolate(_interpolate(coarse, rows, 1), columns, 2).round().astype(np.uint8)
    )
    return pictures


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


def are_independent(rows: npt.NDArray[np.floating]) -> bool:
    """Tell if `rows`, float (N, classes), are results of sigmoids: in [0, 1], of another sum."""
    inside = bool((rows >= 0).all() and (rows <= 1).all())
    return inside and bool((abs(rows.sum(axis=1) - 1) > _LEAST_DISTANCE).any())


def are_probabilities(rows: npt.NDArray[np.floating]) -> bool:
    """Tell if every row of `rows`, float (N, classes), is non-negative and sums to one."""
    return bool((rows >= 0).all() and (abs(rows.sum(axis=1) - 1) < _SUM_TOLERANCE).all())
