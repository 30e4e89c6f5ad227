"""show pictures as a module sees them, with its answers.

  imagebeam module try model.tflite photos/cat.jpg photos/dog.jpg --output sheet.png

The pictures are decoded, cropped and resized as by `imagebeam label`. The answers of both engines
stand side by side where TensorFlow is installed and can run the module. For a module whose input
takes numbers, so do those with the usual input ranges, so a wrong range is easy to see.
"""

import argparse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.options.declaration import add_options
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.images import uris
from imagebeam.images.errors import ImageError, InputError
from imagebeam.modules.class_names import read_class_names

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from imagebeam.evaluation.contact_sheet import SheetColumn
    from imagebeam.images.settings import Resize
    from imagebeam.modules.module_options import ModuleOptions
    from imagebeam.modules.types import Module

_CLASSES = 5


def add_arguments(parser: CommandParser) -> None:
    from imagebeam.beam_pipeline.options.module_arguments import PictureArguments, add_handle

    add_handle(parser)
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="pictures, a handful of them")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE.png", help="draw the sheet; it is replaced"
    )
    add_options(parser, PictureArguments)


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.options.module_arguments import parsed_module_options
    from imagebeam.evaluation.contact_sheet import SheetColumn, answer_lines, draw_sheet
    from imagebeam.modules.engines.separate import SeparateEngine
    from imagebeam.modules.open_module import open_module

    if args.output is not None and args.output.suffix != ".png":
        raise UsageError(f"--output {args.output}: must end in .png.")
    stated = parsed_module_options(args)
    module = open_module(args.handle, options=stated)
    info = module.info
    names = info.class_names
    if args.labels is not None and info.class_count is not None:
        names = read_class_names(args.labels, info.class_count)
    pixels = _pixels(args.images, info.image_size, args.resize)
    answers = []
    for title, each in _variants(args.handle, module, stated):
        with closing(SeparateEngine(each)) as engine:
            answers.append(SheetColumn(title, answer_lines(engine.run(pixels), names, _CLASSES)))
    _print(args.images, answers, module)
    if args.output is not None:
        try:
            draw_sheet(pixels, args.images, answers).save(args.output)
        except OSError as error:
            raise UsageError(f"--output {args.output}: {error.strerror}.") from error
        print(f"Sheet: {args.output}")
    return 0


def _pixels(images: list[str], size: tuple[int, int], resize: "Resize") -> "npt.NDArray[np.uint8]":
    """Return uint8 (N, height, width, 3); raise InputError if a picture cannot be read."""
    from imagebeam import resources
    from imagebeam.images.listed_image import ImageLocation
    from imagebeam.images.reading.reader import ImageReader
    from imagebeam.images.settings import Preprocessing

    reader = ImageReader(Preprocessing(size, resize), resources.available().decode_processes())
    places = [uris.from_entry(image, "") for image in images]
    with closing(reader):
        reading = reader.read([ImageLocation(place) for place in places])
    for image, outcome in zip(images, reading.outcomes, strict=True):
        if isinstance(outcome, ImageError):
            raise InputError(f"{image}: {outcome}. Leave it out.")
    return reading.pixels


def _variants(
    handle: str, module: "Module", stated: "ModuleOptions"
) -> "Iterator[tuple[list[str], Module]]":
    """Yield the module on its engine, on TensorFlow, and with the other usual input ranges."""
    from imagebeam.modules.input_ranges import STATED, text_of
    from imagebeam.modules.module_options import USUAL_INPUTS
    from imagebeam.modules.open_module import open_module
    from imagebeam.modules.tensorflow.subprocess import tensorflow_is_installed
    from imagebeam.modules.types import TENSORFLOW

    info = module.info
    used = f"{text_of(info.input_ranges)} ({info.range_origin})"
    yield [module.engine, used], module
    if module.engine != TENSORFLOW and module.source.is_dir() and tensorflow_is_installed():
        yield [TENSORFLOW, used], open_module(handle, TENSORFLOW, options=stated)
    if info.takes_bytes and info.range_origin == STATED:
        return
    for usual in USUAL_INPUTS:
        if usual.ranges != info.input_ranges:
            other = open_module(handle, module.engine, options=stated.with_input(usual))
            yield [module.engine, *_lines(usual.input_words)], other


def _print(images: list[str], answers: "list[SheetColumn]", module: "Module") -> None:
    """Print the answers for each picture."""
    from rich.text import Text

    from imagebeam.beam_pipeline.reporting.terminal import SafeConsole

    out = SafeConsole(soft_wrap=True)
    for row, image in enumerate(images):
        out.print(Text(escape_control_chars(image), "bold"))
        for variant in answers:
            engine, *words = variant.title
            out.print(f"  {engine}, {' '.join(words)}")
            for line in variant.lines[row]:
                out.print(Text(f"    {escape_control_chars(line)}"))
    for note in module.notes:
        out.print(Text(f"warning: {escape_control_chars(note)}", "yellow"))


def _lines(words: str) -> list[str]:
    """Break the options of an input, which fit two lines of a sheet."""
    first, separator, second = words.partition(" --std")
    return [first, f"--std{second}"] if separator else [first]
