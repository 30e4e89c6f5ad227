"""The options that state facts about a module, declared once for every command that runs one."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.options.declaration import option, parsed_options
from imagebeam.images.settings import Resize
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.output_kinds import KINDS

_fact = partial(option, group="what the module does not state")


def _numbers(name: str) -> Callable[[str], tuple[float, ...]]:
    def convert(text: str) -> tuple[float, ...]:
        try:
            return tuple(float(part) for part in text.split(","))
        except ValueError:
            raise UsageError(
                f"--{name} {text}: not a number. Give one number, or three separated by commas."
            ) from None

    return convert


def _size(text: str) -> tuple[int, int]:
    sides = text.lower().replace("×", "x").split("x")
    if not all(side.isdecimal() and len(side) < 10 for side in sides) or len(sides) > 2:
        raise UsageError(
            f"--image-size {text}: not a size. Give the side of a square, such as 224, or "
            "HEIGHTxWIDTH, such as 192x256."
        )
    return int(sides[0]), int(sides[-1])


def _outputs(text: str) -> tuple[tuple[str, str], ...]:
    kinds = {}
    for part in text.split(","):
        name, separator, kind = part.strip().rpartition("=")
        if not separator or not name or kind not in KINDS:
            raise UsageError(
                f"--module-output {text}: {part.strip()!r} must be NAME=KIND, and KIND one of "
                f"{', '.join(KINDS)}. Separate several with commas."
            )
        if name in kinds:
            raise UsageError(f"--module-output {text}: {name!r} comes twice. Give it one kind.")
        kinds[name] = kind
    return tuple(kinds.items())


@dataclass(frozen=True, kw_only=True)
class ModuleArguments:
    """The facts about a module; each field is the option of the same name."""

    input_range: tuple[float, float] | None = _fact(
        None,
        "values of the pixels 0 and 255 at the input, such as -1 1 or 0 255",
        kind=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        shown="as the module or its graph states it",
        convert=tuple,
    )
    mean: tuple[float, ...] | None = _fact(
        None,
        "instead of --input-range: the input is (pixel - mean) / std; one number, or three "
        "separated by commas, for pixels from 0 to 255",
        metavar="MEAN",
        convert=_numbers("mean"),
    )
    std: tuple[float, ...] | None = _fact(
        None, "see --mean", metavar="STD", convert=_numbers("std")
    )
    channels: Literal["rgb", "bgr"] | None = _fact(
        None, "order of the colours at the input", shown="rgb"
    )
    image_size: tuple[int, int] | None = _fact(
        None,
        "size of the pictures, such as 224 or 192x256, for a module that takes any size",
        metavar="SIDE|HEIGHTxWIDTH",
        shown="as the module states it",
        convert=_size,
    )
    signature: str | None = _fact(
        None,
        "function of the module to run, for one with several",
        metavar="NAME",
        shown="one of TF-Hub, or serving_default",
    )
    module_output: tuple[tuple[str, str], ...] = _fact(
        (),
        "outputs of the module to use, each with its kind: logits, scores (after a softmax or "
        "sigmoids) or features",
        metavar="NAME=KIND,…",
        shown="by name, metadata and graph",
        convert=_outputs,
    )

    @property
    def module_options(self) -> ModuleOptions:
        """Return the facts about the module that the options state.

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


@dataclass(frozen=True, kw_only=True)
class EngineArguments(ModuleArguments):
    """The facts about a module, and the engine that runs it."""

    engine: Literal["auto", "litert", "tensorflow", "onnx"] = option(
        "auto", "library that runs the module", shown="litert where possible"
    )


@dataclass(frozen=True, kw_only=True)
class PictureArguments(ModuleArguments):
    """The facts about a module, how pictures are resized, and class names."""

    resize: Resize = option(
        "crop", "crop: the centre, 87.5 % of the shorter side; stretch: the whole picture"
    )
    labels: Path | None = option(
        None, "class names, one per line, or the word imagenet", shown="the module's own"
    )


@dataclass(frozen=True, kw_only=True)
class EvaluationArguments(PictureArguments, EngineArguments):
    """The options of `module evaluate`."""


def add_handle(parser: CommandParser, what: str = "folder, .tar.gz, .tflite or hub URL") -> None:
    """Declare the argument that names a module."""
    parser.add_argument("handle", metavar="HANDLE", help=f"{what}, with or without pin")


def add_output(parser: CommandParser, metavar: str, text: str) -> None:
    """Declare the option that names what a command writes."""
    parser.add_argument("-o", "--output", required=True, type=Path, metavar=metavar, help=text)


def parsed_module_options(args: argparse.Namespace) -> ModuleOptions:
    """Return the facts that the arguments of a command state.

    Raises:
        ModuleError: they contradict each other.
        UsageError: a value is not allowed.
    """
    return ModuleArguments(**parsed_options(ModuleArguments, args)).module_options
