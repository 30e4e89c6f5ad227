"""compile a module to a LiteRT flatbuffer.

  imagebeam module compile module/ --output module.tflite

A quantops module becomes a network of 8-bit integers that takes pixel bytes: uint8, or int8 if it
was trained for that. Any other stays float32. The file takes any batch size, provides all outputs
of the module and contains its metadata: it can be used as a HANDLE, and needs no TensorFlow. Facts
that the options state are written into it.
"""

import argparse
import sys

from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.beam_pipeline.options.declaration import add_options
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.modules.errors import ModuleError


def add_arguments(parser: CommandParser) -> None:
    from imagebeam.beam_pipeline.options.module_arguments import (
        ModuleArguments,
        add_handle,
        add_output,
    )

    add_handle(parser, "folder, .tar.gz or hub URL")
    add_output(parser, "FILE.tflite", "replaced if it exists")
    add_options(parser, ModuleArguments)


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.options.module_arguments import parsed_module_options
    from imagebeam.modules.open_module import compile_module

    stated = parsed_module_options(args)
    if args.output.suffix != ".tflite":
        raise ModuleError(f"{str(args.output)!r}: not a .tflite file. Give a name that ends so.")
    for note in compile_module(args.handle, args.output, options=stated):
        print(f"warning: {escape_control_chars(note)}", file=sys.stderr)
    output = escape_control_chars(str(args.output))
    print(f"{output}: {args.output.stat().st_size:,} bytes")
    print(f"Show it with: imagebeam module show {output}")
    return 0
