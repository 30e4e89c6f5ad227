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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagebeam.beam_pipeline.cli.command_parser import CommandParser


def add_arguments(parser: "CommandParser") -> None:
    """Declare the options."""
    from imagebeam.beam_pipeline.module_arguments import ModuleArguments
    from imagebeam.beam_pipeline.option_declaration import add_options

    parser.add_argument("images", type=Path, metavar="IMAGES", help="folders of classes")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="DIR",
        help="must not exist; a .tflite file with --freeze-network",
    )
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
    network = parser.add_group("network")
    network.add_argument(
        "--width",
        type=float,
        metavar="X",
        help="0.25, 0.5, 0.75 or 1 (default: that of --from, else 0.5)",
    )
    network.add_argument(
        "--size",
        type=int,
        metavar="PIXELS",
        help="128, 160, 192 or 224 (default: that of the module in --from, else 160)",
    )
    network.add_argument(
        "--quantization",
        choices=("uint8", "int8"),
        help="integers that the flatbuffer computes with: int8 is faster, uint8 is the form of the "
        "published modules (default: that of --from, else uint8)",
    )
    learning = parser.add_group("learning")
    learning.add_argument(
        "--epochs",
        type=int,
        metavar="N",
        help="number of passes over the pictures (default: 30)",
    )
    learning.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="number of pictures per step (default: 32)",
    )
    learning.add_argument(
        "--learning-rate",
        type=float,
        metavar="X",
        help="maximum learning rate of Adam (default: 0.001 with --from, else 0.01)",
    )
    learning.add_argument(
        "--quantise-from",
        type=float,
        metavar="SHARE",
        help="share of the run after which quantisation is simulated (default: 0.6)",
    )
    learning.add_argument(
        "--freeze-from",
        type=float,
        metavar="SHARE",
        help="share of the run after which the batch norm statistics are frozen (default: 0.8)",
    )
    learning.add_argument(
        "--patience",
        type=int,
        metavar="N",
        help="end the part of the run before quantisation after this many epochs without a better "
        "accuracy on the validation images (default: never)",
    )
    learning.add_argument(
        "--balance",
        action="store_true",
        help="weigh classes so that all count equally, however many pictures they have",
    )
    learning.add_argument(
        "--held-out",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="share of every class to keep for validation (default: 0.2)",
    )
    learning.add_argument(
        "--no-flip",
        action="store_true",
        help="do not mirror pictures: a mirror image may belong to another class",
    )
    learning.add_argument(
        "--resize",
        choices=("crop", "stretch"),
        default="crop",
        help="the --resize that `imagebeam label` will use (default: crop)",
    )
    learning.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of all random choices (default: 0)"
    )
    add_options(parser, ModuleArguments)


def run(args: argparse.Namespace) -> int:
    """Train, write the module and print the accuracy; the exit code."""
    from imagebeam.beam_pipeline.training import head, network

    state = args.output.with_name(f"{args.output.name}.training")
    (head if args.freeze_network else network).train(args, state)
    return 0
