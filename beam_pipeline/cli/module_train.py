"""train a module on folders of classes, with simulated quantisation.

  imagebeam module train my-pictures/ --output my-module/ --from mobilenet_v1_050_160
  imagebeam module train my-pictures/ --output mine.tflite --from module/ --freeze-network

IMAGES holds one folder per class, named after the class, with its pictures. Part of every class is
kept for validation. At the end, the command prints the accuracy on these images with its 95 %
interval, which classes are confused, and the files of the mistakes.

With --from, training begins with the weights of a module or slim checkpoint, which needs far fewer
pictures and epochs; the classes may differ. With --freeze-network, only a new last layer is
trained, on the features of any module; this takes seconds and needs no TensorFlow.

The run is kept in DIR.training: run the same command again after any interruption to continue.
TensorBoard reads DIR.training/summaries.
"""

import argparse
from pathlib import Path

from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.beam_pipeline.options.declaration import add_options


def add_arguments(parser: CommandParser) -> None:
    from imagebeam.beam_pipeline.options.module_arguments import add_output
    from imagebeam.beam_pipeline.options.training_arguments import TrainingArguments

    parser.add_argument("images", type=Path, metavar="IMAGES", help="folders of classes")
    add_output(parser, "DIR", "must not exist; a .tflite file with --freeze-network")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="MODULE|CHECKPOINT",
        help="initial weights: the handle of a module, a name of the catalogue, or the path of a "
        "slim checkpoint without .index (default: random weights; the default module with "
        "--freeze-network)",
    )
    parser.add_argument(
        "--freeze-network",
        action="store_true",
        help="train only a new last layer, on the features of any module",
    )
    add_options(parser, TrainingArguments)


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.training import head, network

    state = args.output.with_name(f"{args.output.name}.training")
    (head if args.freeze_network else network).train(args, state)
    return 0
