"""write class names and input range into a flatbuffer.

  imagebeam module annotate model.tflite --output new.tflite --classes labels.txt --input-range -1 1

The copy needs no further options and can be given to others. Names and range are stored as
`module.json` in a zip archive at the end of the file, where TensorFlow Lite Metadata keeps its
files. The digest of the copy differs, so a pin of the original does not fit it.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from imagebeam.escape_control_chars import escape_control_chars

if TYPE_CHECKING:
    from imagebeam.beam_pipeline.cli.main import CommandParser


def add_arguments(parser: "CommandParser") -> None:
    """Declare the options."""
    from imagebeam.beam_pipeline.module_arguments import ModuleArguments
    from imagebeam.beam_pipeline.option_declaration import add_options

    parser.add_argument("module", type=Path, metavar="FILE.tflite", help="the flatbuffer to copy")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="FILE.tflite", help="replaced if it exists"
    )
    parser.add_argument(
        "--classes", type=Path, metavar="FILE", help="class names, one per line, index 0 first"
    )
    add_options(parser, ModuleArguments)


def run(args: argparse.Namespace) -> int:
    """Annotate the module; the exit code."""
    from imagebeam.beam_pipeline.module_arguments import ModuleArguments
    from imagebeam.beam_pipeline.option_declaration import parsed_options
    from imagebeam.modules import ModuleError, open_module, read_class_names
    from imagebeam.modules.annotate import annotate

    stated = ModuleArguments(**parsed_options(ModuleArguments, args)).stated()
    if args.module.suffix != ".tflite" or args.output.suffix != ".tflite":
        raise ModuleError(
            f"{str(args.module)!r}: only .tflite files can be annotated. Run `imagebeam module "
            "compile` on another module first, and give an --output that ends in .tflite."
        )
    before = open_module(str(args.module), options=stated)
    names = None
    if args.classes is not None:
        if before.info.class_count is None:
            raise ModuleError(f"{str(args.module)!r}: it has no classes. Leave out --classes.")
        names = read_class_names(args.classes, before.info.class_count)
    annotate(args.module, args.output, names, stated)
    after = open_module(str(args.output))
    output = escape_control_chars(str(args.output))
    print(f"{output}: {args.output.stat().st_size:,} bytes")
    print(f"digest before  {before.digest}")
    print(f"digest now     {after.digest}")
    print(f"Show it with: imagebeam module show {output}")
    return 0
