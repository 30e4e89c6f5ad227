"""Pictures that are shown to a module to learn what it computes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imagebeam.modules.types import Pixels

_PROBE_COUNT = 6
# A softmax computed in float32 over some thousand classes errs by less.
_SUM_TOLERANCE = 1e-3


def probe_pictures(size: tuple[int, int], count: int = _PROBE_COUNT) -> Pixels:
    """uint8 (count, height, width, 3): soft random blobs in every colour, always the same ones.

    Networks answer plain noise with nearly the same scores each time; blobs as large as objects
    move them.
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


def are_probabilities(rows: npt.NDArray[np.floating]) -> bool:
    """Whether every row of `rows`, float (N, classes), is non-negative and sums to one."""
    return bool((rows >= 0).all() and (abs(rows.sum(axis=1) - 1) < _SUM_TOLERANCE).all())
