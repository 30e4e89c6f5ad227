"""The options that state facts about a module, for every command that runs one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.option_declaration import option
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.output_kinds import KINDS

_GROUP = "what the module does not state"


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


def _size(text: str | tuple[int, int] | None) -> tuple[int, int] | None:
    if text is None or isinstance(text, tuple):
        return text
    sides = text.lower().replace("×", "x").split("x")
    if not all(side.isdecimal() for side in sides) or len(sides) > 2:
        raise UsageError(
            f"--image-size {text}: not a size. Give the side of a square, such as 224, or "
            "HEIGHTxWIDTH, such as 192x256."
        )
    return int(sides[0]), int(sides[-1])


def _outputs(text: str | tuple[Any, ...]) -> tuple[tuple[str, str], ...]:
    if isinstance(text, tuple):
        return text
    kinds = {}
    for part in text.split(","):
        name, separator, kind = part.strip().rpartition("=")
        if not separator or not name or kind not in KINDS:
            raise UsageError(
                f"--module-output {text}: {part.strip()!r} must be NAME=KIND, and KIND one of "
                f"{', '.join(KINDS)}. Separate several with commas."
            )
        kinds[name] = kind
    return tuple(kinds.items())


def range_option() -> Any:
    """Declare `--input-range`."""
    return option(
        None,
        "values of the pixels 0 and 255 at the input, such as -1 1 or 0 255",
        group=_GROUP,
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
        group=_GROUP,
        metavar="MEAN",
        shown="",
        convert=_numbers("mean"),
    )


def std_option() -> Any:
    """Declare `--std`."""
    return option(
        None,
        "see --mean",
        group=_GROUP,
        metavar="STD",
        shown="",
        convert=_numbers("std"),
    )


def channels_option() -> Any:
    """Declare `--channels`."""
    return option(
        None, "order of the colours at the input", group=_GROUP, choices=("rgb", "bgr"), shown="rgb"
    )


def size_option() -> Any:
    """Declare `--image-size`."""
    return option(
        None,
        "size of the pictures, such as 224 or 192x256, for a module that takes any size",
        group=_GROUP,
        metavar="SIDE|HEIGHTxWIDTH",
        shown="as the module states it",
        convert=_size,
    )


def signature_option() -> Any:
    """Declare `--signature`."""
    return option(
        None,
        "function of the module to run, for one with several",
        group=_GROUP,
        metavar="NAME",
        shown="one of TF-Hub, or serving_default",
    )


def module_output_option() -> Any:
    """Declare `--module-output`."""
    return option(
        (),
        "outputs of the module to use, each with its kind: logits, scores (after a softmax or "
        "sigmoids) or features",
        group=_GROUP,
        metavar="NAME=KIND,…",
        shown="by name, metadata and graph",
        convert=_outputs,
    )


@dataclass(frozen=True)
class ModuleArguments:
    """The options as a dataclass of their own, for commands without a job."""

    input_range: tuple[float, float] | None = range_option()
    mean: tuple[float, ...] | None = mean_option()
    std: tuple[float, ...] | None = std_option()
    channels: str | None = channels_option()
    image_size: tuple[int, int] | None = size_option()
    signature: str | None = signature_option()
    module_output: tuple[tuple[str, str], ...] = module_output_option()

    def stated(self) -> ModuleOptions:
        """Return them as the facts that a module is opened with.

        Raises:
            ModuleError: they contradict each other.
        """
        return ModuleOptions(
            self.input_range,
            self.mean,
            self.std,
            self.channels,
            self.image_size,
            self.signature,
            self.module_output,
        )
