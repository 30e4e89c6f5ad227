"""The range of the pixels at the input of a module: what is known of it, and from where."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Range = tuple[float, float]

RGB, BGR = "rgb", "bgr"

STATED = "stated"
GRAPH = "found in the graph"
FAMILY = "the convention of its family"
OPTION = "given as an option"
ASSUMED = "assumed"

HUB_RANGE: Range = (0.0, 1.0)
"""The range of TF-Hub's common signatures, which is assumed where nothing is known."""

# The ranges in which pictures come.
CANDIDATES: tuple[Range, ...] = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0))
# Networks compute with such values: pictures normalised by mean and std of ImageNet lie in
# [-2.2, 2.7].
_LARGEST, _SMALLEST_SPAN = 2.8, 0.9
_TOLERANCE = 0.01
# Of red, green and blue, from 0 to 1.
_IMAGENET_MEAN = (0.485, 0.456, 0.406)


@dataclass(frozen=True)
class InputFacts:
    """The known facts about an input.

    Attributes:
        ranges: the values of pixels 0 and 255: one pair for all channels, or one for each.
        origin: how they are known.
        channels: the order of the colours, "rgb" or "bgr"; None where nothing states it.
    """

    ranges: tuple[Range, ...]
    origin: str
    channels: str | None = None


@dataclass(frozen=True)
class Front:
    """The effect of the first operations of a network on its pictures.

    Attributes:
        rescales: whether they change the values. The network then prepares its pictures itself, so
            the convention of its family does not apply.
        range: the range that they expect; None if it is unclear.
        limits: the lowest and the highest value that a quantisation in front of them lets through.
        channels: the order of the colours that they expect, "rgb" or "bgr"; None if it is unclear.
    """

    rescales: bool = False
    range: Range | None = None
    limits: Range | None = None
    channels: str | None = None


def decide_input(
    facts: InputFacts, ranges: tuple[Range, ...] | None, channels: str | None
) -> tuple[InputFacts, tuple[str, ...]]:
    """Decide the range and the order of colours of an input.

    Args:
        facts: what the module shows of itself, or what is assumed of it.
        ranges: what the user states; it takes precedence.
        channels: likewise.

    Returns:
        The facts with known channels, and a sentence about each contradiction.
    """
    contradictions = []
    is_known = facts.origin != ASSUMED
    if channels and facts.channels and is_known and channels != facts.channels:
        contradictions.append(
            f"--channels {channels} contradicts the module, whose channels are {facts.channels} "
            f"({facts.origin}). {channels} is used."
        )
    if ranges is not None and is_known and not _are_equal(ranges, facts.ranges):
        contradictions.append(
            f"the stated input range {text_of(ranges)} contradicts the module, whose range is "
            f"{text_of(facts.ranges)} ({facts.origin}). {text_of(ranges)} is used."
        )
    origin = facts.origin if ranges is None else OPTION
    decided = InputFacts(ranges or facts.ranges, origin, channels or facts.channels or RGB)
    return decided, tuple(contradictions)


def text_of(ranges: tuple[Range, ...]) -> str:
    """Return `ranges` as text, such as "-1 to 1"."""
    return "; ".join(f"{low + 0.0:.4g} to {high:.4g}" for low, high in ranges)


_Rescale = Callable[[float], npt.NDArray[np.float64]]


def front_of_rescaling(
    rescale: _Rescale, reverses: bool = False, limits: Range | None = None
) -> Front:
    """Return what the front of a network expects that changes the values of pixels.

    Args:
        rescale: returns what becomes of a value in each channel.
        reverses: whether the order of the colours may be reversed there.
        limits: see `Front`.
    """
    found = _fitting_range(rescale)
    channels = None if reverses or found is None else _channels(rescale, found)
    return Front(True, found, limits, channels)


def _channels(rescale: _Rescale, expected: Range) -> str | None:
    """Return the order of the colours if the mean of ImageNet becomes 0."""
    first, last = rescale(expected[0]), rescale(expected[1])
    mean = first / (first - last)
    for channels, usual in ((RGB, _IMAGENET_MEAN), (BGR, _IMAGENET_MEAN[::-1])):
        if (abs(mean - np.array(usual)) < _TOLERANCE).all():
            return channels
    return None


def _fitting_range(rescale: _Rescale) -> Range | None:
    """Return the usual range that `rescale` turns into values that networks compute with."""
    if _subtracts_mean(rescale(0.0), rescale(255.0)):
        return 0.0, 255.0
    fitting = []
    for low, high in CANDIDATES:
        first, last = rescale(low), rescale(high)
        largest = max(float(np.abs(first).max()), float(np.abs(last).max()))
        if largest <= _LARGEST and float(np.abs(last - first).min()) >= _SMALLEST_SPAN:
            fitting.append((low, high))
    if not fitting:
        fitting = [each for each in CANDIDATES if _normalises(*map(rescale, each))]
        # A factor alone also leaves as many values below as above the mean of -1 to 1.
        return fitting[0] if len(fitting) == 1 and fitting[0][0] == 0 else None
    return fitting[0] if len(fitting) == 1 else None


def _normalises(first: npt.NDArray[np.float64], last: npt.NDArray[np.float64]) -> bool:
    """Return whether pixels lose a mean in their range, and are divided by a deviation there.

    Normalisations that were fitted to dark pictures, or to those of low contrast, leave larger
    values than that of ImageNet.
    """
    deviations = last - first
    if not (abs(deviations) > 0).all():
        return False
    mean = -first / deviations
    usual = (mean > 0.1) & (mean < 0.9) & (deviations > 2) & (deviations < 7)
    return bool(usual.all())


def _subtracts_mean(first: npt.NDArray[np.float64], last: npt.NDArray[np.float64]) -> bool:
    """Return whether pixels from 0 to 255 only lose their mean, as for networks of Caffe."""
    distances = last - first
    return bool((abs(distances - 255) < 1).all() and ((first > -150) & (first < -80)).all())


def spans(limits: Range, ranges: tuple[Range, ...], tolerance: float) -> bool:
    """Return whether a quantised tensor with these limits was made for pixels in `ranges`.

    Args:
        limits: its lowest and its highest value.
        ranges: one pair for all channels, or one for each.
        tolerance: as a share of the distance between them.
    """
    first, last = min(low for low, _ in ranges), max(high for _, high in ranges)
    distance = max(abs(limits[0] - first), abs(limits[1] - last))
    return distance <= tolerance * (last - first)


def _are_equal(first: tuple[Range, ...], second: tuple[Range, ...]) -> bool:
    """Return whether two ranges are the same, but for the rounding of a quantised input."""
    one, other = np.array(first), np.array(second)
    span = float(np.ptp(other))
    return len(one) in (1, len(other)) and bool((abs(one - other) <= _TOLERANCE * span).all())
