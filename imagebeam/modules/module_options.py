"""The facts about a module that the user states, because the module does not, or not correctly."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.input_ranges import BGR, CANDIDATES, RGB, Range
from imagebeam.modules.output_kinds import FEATURES, KINDS

_LARGEST = 1e30
"""Modules compute with numbers of 32 bits, of which the largest is about 3e38."""


@dataclass(frozen=True)
class ModuleOptions:
    """The facts that the user states; None or empty where nothing is stated.

    Attributes:
        value_range: the values of pixels 0 and 255 at the input.
        mean: instead of `value_range`, one number or one for each channel of the module, in pixel
            values from 0 to 255: the input is (pixel - mean) / std.
        std: likewise.
        channels: the order of the colours at the input, "rgb" or "bgr".
        image_size: (height, width) of the pictures, for a module that takes any size.
        signature: the function of the module to run.
        outputs: the kind of each output to use, "logits", "scores" or "features", by its name. A
            mapping is converted to pairs.
    """

    value_range: Range | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: str | None = None
    image_size: tuple[int, int] | None = None
    signature: str | None = None
    outputs: Mapping[str, str] | tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", tuple(dict(self.outputs).items()))
        if self.channels not in (None, RGB, BGR):
            raise ModuleError(f"channels {self.channels!r}: must be {RGB} or {BGR}.")
        if self.image_size is not None and min(self.image_size) < 1:
            height, width = self.image_size
            raise ModuleError(f"image size {height}x{width}: must be at least 1x1.")
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
        for low, high in self.ranges or ():
            # NaN is neither smaller nor larger.
            if not (abs(low) < _LARGEST and abs(high) < _LARGEST):
                raise ModuleError(
                    f"{self.input_words}: pixels become {low:g} to {high:g}, which are no numbers "
                    "for a module. Give smaller ones."
                )
        _check_kinds(dict(self.outputs))

    @property
    def ranges(self) -> tuple[Range, ...] | None:
        """Return the range of the input: one for all channels, or one for each."""
        if self.value_range is not None:
            return (self.value_range,)
        if self.mean is None or self.std is None:
            return None
        return ranges_of(self.mean, self.std)

    @property
    def input_words(self) -> str:
        """Return the options of the command line that state the input."""
        words = []
        if self.value_range is not None:
            words.append("--input-range " + " ".join(f"{each:g}" for each in self.value_range))
        for name in ("mean", "std"):
            if (values := getattr(self, name)) is not None:
                words.append(f"--{name} " + ",".join(f"{each:g}" for each in values))
        return " ".join([*words, *([f"--channels {self.channels}"] if self.channels else [])])

    def with_input(self, usual: "ModuleOptions") -> "ModuleOptions":
        """Replace what is stated of the input by that of `usual`; stated channels stay."""
        channels = self.channels or usual.channels
        return replace(
            self, value_range=usual.value_range, mean=usual.mean, std=usual.std, channels=channels
        )

    @property
    def kinds(self) -> dict[str, str]:
        """Return the kind of each output that is stated, by name."""
        return dict(self.outputs)

    @property
    def of_input(self) -> "ModuleOptions":
        """Return what remains to be stated of a module that was compiled with these options."""
        return replace(self, image_size=None, signature=None, outputs=())

    @property
    def of_graph(self) -> "ModuleOptions":
        """Return the options that decide what is compiled."""
        return ModuleOptions(
            image_size=self.image_size, signature=self.signature, outputs=self.outputs
        )

    def to_json(self) -> dict[str, Any]:
        """Return the facts that are stated, as JSON values."""
        values = {**asdict(self), "outputs": self.kinds or None}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ModuleOptions":
        """Read the record that `to_json` wrote."""
        return cls(**{name: as_tuples(value) for name, value in values.items()})


def as_tuples(value: Any) -> Any:
    """Return a JSON value with tuples in place of lists."""
    return tuple(map(as_tuples, value)) if isinstance(value, (list, tuple)) else value


def ranges_of(mean: Sequence[float], std: Sequence[float]) -> tuple[Range, ...]:
    """Return the values of pixels 0 and 255 after (pixel - mean) / std: once, or per channel.

    Raises:
        ValueError: there are neither one nor three values.
        ZeroDivisionError: a `std` is 0.
    """
    count = max(len(mean), len(std))
    if count not in (1, 3):
        raise ValueError(f"{count} values, not one or three")
    pairs = zip(_repeated(mean, count), _repeated(std, count), strict=True)
    ranges = tuple((-each / deviation, (255 - each) / deviation) for each, deviation in pairs)
    return ranges[:1] if len(set(ranges)) == 1 else ranges


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


def _check_kinds(outputs: Mapping[str, str]) -> None:
    for name, kind in outputs.items():
        if kind not in KINDS:
            raise ModuleError(
                f"output {name}={kind}: {kind!r} must be one of {', '.join(KINDS)}. For example: "
                f"{name}={FEATURES}."
            )
    kinds = list(outputs.values())
    if twice := [kind for kind in KINDS if kinds.count(kind) > 1]:
        raise ModuleError(f"outputs: two are called {twice[0]}. Give one output of each kind.")


def _repeated(values: Sequence[float], count: int) -> Sequence[float]:
    return tuple(values) * count if len(values) == 1 else values


NO_OPTIONS = ModuleOptions()
"""Nothing is stated."""

USUAL_INPUTS: tuple[ModuleOptions, ...] = (
    *(ModuleOptions(value_range=each) for each in CANDIDATES),
    ModuleOptions(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
    ModuleOptions(mean=(103.939, 116.779, 123.68), std=(1.0,), channels=BGR),
)
"""The inputs of most published networks; the last two are those of PyTorch and of Caffe."""
