"""The statements of a user about the input of a module, and the ranges that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.modules.errors import ModuleError

RGB, BGR = "rgb", "bgr"

Range = tuple[float, float]

STATED = "stated"
GRAPH = "found in the graph"
FAMILY = "the convention of its family"
OPTION = "given as an option"
ASSUMED = "assumed"


@dataclass(frozen=True)
class InputOptions:
    """The facts about an input that the user states; None where nothing is stated.

    Attributes:
        value_range: the values of pixels 0 and 255 at the input.
        mean: instead of `value_range`, one number or one for each channel of the module, in pixel
            values from 0 to 255: the input is (pixel - mean) / std.
        std: likewise.
        channels: the order of the colours at the input, "rgb" or "bgr".
    """

    value_range: Range | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: str | None = None

    def __post_init__(self) -> None:
        if self.channels not in (None, RGB, BGR):
            raise ModuleError(f"channels {self.channels!r}: must be {RGB} or {BGR}.")
        if self.value_range is not None:
            low, high = self.value_range
            if self.mean is not None or self.std is not None:
                raise ModuleError("--input-range and --mean or --std: give one of the two.")
            if not low < high:
                raise ModuleError(
                    f"input range {low:g} to {high:g}: must rise. Give the values of pixels 0 and "
                    "255, such as -1 1."
                )
        if (self.mean is None) != (self.std is None):
            raise ModuleError("--mean and --std: only one is given. Give both.")
        if self.mean is not None and self.std is not None:
            _check_normalisation(self.mean, self.std)

    @property
    def ranges(self) -> tuple[Range, ...] | None:
        """Return the range of the input: one for all channels, or one for each."""
        if self.value_range is not None:
            return (self.value_range,)
        if self.mean is None or self.std is None:
            return None
        count = max(len(self.mean), len(self.std))
        pairs = zip(_repeated(self.mean, count), _repeated(self.std, count), strict=True)
        ranges = tuple((-mean / std, (255 - mean) / std) for mean, std in pairs)
        return ranges[:1] if len(set(ranges)) == 1 else ranges

    def to_json(self) -> dict[str, Any]:
        """Return the facts that are stated, as JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> InputOptions:
        """Read the record that `to_json` wrote."""
        range_, mean, std = (values.get(name) for name in ("value_range", "mean", "std"))
        return cls(
            value_range=None if range_ is None else (range_[0], range_[1]),
            mean=None if mean is None else tuple(mean),
            std=None if std is None else tuple(std),
            channels=values.get("channels"),
        )


NO_OPTIONS = InputOptions()
"""Nothing is stated."""

# The ranges in which pictures come.
CANDIDATES: tuple[Range, ...] = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0))
# Networks compute with such values: pictures normalised by mean and std of ImageNet lie in
# [-2.2, 2.7].
_LARGEST, _SMALLEST_SPAN = 2.8, 0.9


def fitting_range(rescale: Callable[[float], npt.NDArray[np.float64]]) -> Range | None:
    """Return the usual range that `rescale` turns into values that networks compute with."""
    fitting = []
    for low, high in CANDIDATES:
        first, last = rescale(low), rescale(high)
        largest = max(float(np.abs(first).max()), float(np.abs(last).max()))
        if largest <= _LARGEST and float(np.abs(last - first).min()) >= _SMALLEST_SPAN:
            fitting.append((low, high))
    return fitting[0] if len(fitting) == 1 else None


def _check_normalisation(mean: Sequence[float], std: Sequence[float]) -> None:
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, 3):
            raise ModuleError(
                f"--{name}: {len(values)} numbers. Give one, or one for each of the three channels."
            )
    if any(value <= 0 for value in std):
        raise ModuleError(f"--std {' '.join(map(str, std))}: must be above 0.")
    if 0 < max(mean) <= 1 and max(std) <= 1:
        raise ModuleError(
            f"--mean {' '.join(map(str, mean))}: seems to be for pixels from 0 to 1. Multiply mean "
            "and std by 255."
        )


def _repeated(values: tuple[float, ...], count: int) -> tuple[float, ...]:
    return values * count if len(values) == 1 else values
