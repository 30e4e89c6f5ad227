"""write what a module does not state into a copy of it.

  imagebeam module annotate model.tflite --output new.tflite --classes labels.txt --input-range -1 1
  imagebeam module annotate module/ --output new/ --module-output probs=scores --channels bgr

The copy needs no further options and can be given to others. A .tflite file gets TensorFlow Lite
Metadata, which other programs read, and `module.json` in a zip archive at its end. A SavedModel
gets `assets.extra/module.json`, and an .onnx file gets properties. The digest of the copy differs,
so a pin of the original does not fit it.
"""

import argparse
from pathlib import Path

from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.beam_pipeline.options.declaration import add_options
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.modules.class_names import read_class_names
from imagebeam.modules.errors import ModuleError


def add_arguments(parser: CommandParser) -> None:
    from imagebeam.beam_pipeline.options.module_arguments import (
        ModuleArguments,
        add_handle,
        add_output,
    )

    add_handle(parser, "the .tflite or .onnx file, or the folder, to copy")
    add_output(parser, "FILE|DIR", "a file is replaced if it exists; a folder must not exist")
    parser.add_argument(
        "--classes",
        type=Path,
        metavar="FILE",
        help="class names, one per line, index 0 first, or the word imagenet",
    )
    add_options(parser, ModuleArguments)


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.options.module_arguments import parsed_module_options
    from imagebeam.modules.annotate import annotate
    from imagebeam.modules.handles.handle import Handle
    from imagebeam.modules.open_module import open_module
    from imagebeam.modules.types import FLATBUFFER_SUFFIX, ONNX_SUFFIX

    stated = parsed_module_options(args)
    before = open_module(args.handle, options=stated)
    is_file = before.source.is_file()
    suffix = before.source.suffix
    files = (FLATBUFFER_SUFFIX, ONNX_SUFFIX)
    if args.output.suffix != suffix if is_file else args.output.suffix in files:
        kind = f"a file that ends in {suffix}" if is_file else "a folder"
        raise ModuleError(f"{str(args.output)!r}: the copy is {kind}. Give another --output.")
    names = None
    if args.classes is not None:
        if before.info.class_count is None:
            raise ModuleError(f"{args.handle!r}: it has no classes. Leave out --classes.")
        names = read_class_names(args.classes, before.info.class_count)
    annotate(before.source, args.output, names, stated)
    after = open_module(str(args.output))
    output = escape_control_chars(str(args.output))
    print(f"{output}: annotated")
    print(f"digest before  {before.digest}")
    print(f"digest now     {after.digest}")
    if Handle.parse(args.handle).pin is not None:
        print("The pin of the original does not fit the copy. Pin the copy to its own digest.")
    print(f"Show it with: imagebeam module show {output}")
    return 0
