"""compile a module to a LiteRT flatbuffer.

  imagebeam module compile module/ --output module.tflite

A quantops module becomes a network of 8-bit integers that takes pixel bytes unchanged; any other
stays float32. The file takes any batch size, provides all outputs of the module and contains its
metadata: it can be used as a HANDLE, and needs no TensorFlow.
"""

import argparse
from pathlib import Path

from imagebeam.escape_control_chars import escape_control_chars


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "handle", metavar="HANDLE", help="folder, .tar.gz or hub URL, with or without pin"
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="FILE.tflite",
        help="replaced if it exists",
    )


def run(args: argparse.Namespace) -> int:
    """Compile the module; the exit code."""
    from imagebeam.modules import ModuleError, compile_module

    if args.output.suffix != ".tflite":
        raise ModuleError(f"{str(args.output)!r}: not a .tflite file. Give a name that ends so.")
    compile_module(args.handle, args.output)
    output = escape_control_chars(str(args.output))
    print(f"{output}: {args.output.stat().st_size:,} bytes")
    print(f"Show it with: imagebeam module show {output}")
    return 0
