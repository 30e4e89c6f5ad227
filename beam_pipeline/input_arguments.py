"""The options that state facts about the input of a module, for every command that runs one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.option_declaration import option
from imagebeam.modules.input_options import InputOptions

_INPUT = "input of the module"


def _numbers(name: str) -> Any:
    def convert(text: str | None) -> tuple[float, ...] | None:
        if text is None or isinstance(text, tuple):
            return text
        try:
            return tuple(float(part) for part in text.split(","))
        except ValueError:
            raise UsageError(
                f"--{name} {text}: not a number. Give one number, or three separated by commas."
            ) from None

    return convert


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    return None if values is None else (values[0], values[1])


def range_option() -> Any:
    """Declare `--input-range`."""
    return option(
        None,
        "values of the pixels 0 and 255 at the input, such as -1 1 or 0 255",
        group=_INPUT,
        kind=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        shown="as the module or its graph states it",
        convert=_pair,
    )


def mean_option() -> Any:
    """Declare `--mean`."""
    return option(
        None,
        "instead of --input-range: the input is (pixel - mean) / std; one number, or three "
        "separated by commas, for pixels from 0 to 255",
        group=_INPUT,
        metavar="MEAN",
        shown="",
        convert=_numbers("mean"),
    )


def std_option() -> Any:
    """Declare `--std`."""
    return option(
        None,
        "see --mean",
        group=_INPUT,
        metavar="STD",
        shown="",
        convert=_numbers("std"),
    )


def channels_option() -> Any:
    """Declare `--channels`."""
    return option(
        None, "order of the colours at the input", group=_INPUT, choices=("rgb", "bgr"), shown="rgb"
    )


@dataclass(frozen=True)
class InputArguments:
    """The options as a dataclass of their own, for commands without a job."""

    input_range: tuple[float, float] | None = range_option()
    mean: tuple[float, ...] | None = mean_option()
    std: tuple[float, ...] | None = std_option()
    channels: str | None = channels_option()

    def stated(self) -> InputOptions:
        """Return them as the facts that a module is opened with.

        Raises:
            ModuleError: they contradict each other.
        """
        return InputOptions(self.input_range, self.mean, self.std, self.channels)
