"""build a module from a slim checkpoint.

  imagebeam module build --checkpoint mobilenet_v1_0.5_160_quant.ckpt --output module/
  imagebeam module build --checkpoint mobilenet_v1_050_160 --output module/

The checkpoint is one of MobileNet V1 with simulated quantisation, as TensorFlow 1 wrote it:
mobilenet_v1_0.5_160_quant.ckpt and similar. A name that `imagebeam module list` shows stands for
the checkpoint in the published archive, which is fetched if necessary. The module has the
TensorFlow formats of TF-Hub for inference, and a LiteRT flatbuffer for installations without
TensorFlow.
"""

import argparse
import glob
from pathlib import Path

from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.modules.class_names import read_class_names
from imagebeam.modules.errors import ModuleError

_WIDTH = 0.5
_SIZE = 160


def add_arguments(parser: CommandParser) -> None:
    from imagebeam.beam_pipeline.options.module_arguments import add_output

    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="PREFIX|NAME",
        help="path of the checkpoint without .index or .data-…, or a name of the catalogue",
    )
    add_output(parser, "DIR", "must not exist")
    parser.add_argument(
        "--width",
        type=float,
        metavar="X",
        help="0.25, 0.5, 0.75 or 1 (default: that of NAME, else 0.5)",
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="PIXELS",
        help="128, 160, 192 or 224 (default: that of NAME, else 160)",
    )
    parser.add_argument(
        "--classes",
        type=Path,
        metavar="FILE",
        help="class names, one per line (default: none; 1001 classes are those of ImageNet)",
    )
    parser.add_argument(
        "--quantise-input",
        action="store_true",
        help="round the input to 8 bits too, as version 1 of the published modules did "
        "(shifts pixels by half a level and clips white)",
    )


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.training.building import (
        checkpoint_of_handle,
        export,
        start_tensorflow,
    )

    start_tensorflow("module build")
    from imagebeam.mobilenet_v1 import Architecture
    from imagebeam.mobilenet_v1.checkpoint import class_count_of, load_weights, read_checkpoint
    from imagebeam.mobilenet_v1.errors import refuse_existing
    from imagebeam.mobilenet_v1.network import Network

    refuse_existing(args.output)
    prefix, entry = checkpoint_of_handle(args.checkpoint)
    if prefix is None:
        prefix = Path(args.checkpoint)
        _suggest_names(args.checkpoint)
    width, size = (_WIDTH, _SIZE) if entry is None else (float(entry.width), entry.size)
    weights = read_checkpoint(prefix)
    architecture = Architecture(
        width if args.width is None else args.width,
        size if args.size is None else args.size,
        class_count_of(weights),
    )
    network = Network(architecture, quantise_input=args.quantise_input)
    load_weights(network, weights)
    classes = None
    if args.classes:
        classes = read_class_names(args.classes, architecture.class_count)
    export(network, args.output, classes, _provenance(prefix))
    print(
        f"module   {escape_control_chars(str(args.output))}\n"
        f"network  MobileNet V1 {architecture.width:g}/{architecture.size}, "
        f"{architecture.class_count:,} classes, "
        f"{architecture.parameters:,} parameters, {architecture.macs:,} MACs"
    )
    return 0


def _suggest_names(text: str) -> None:
    """Refuse what is meant as a name of the catalogue, with the nearest names."""
    from imagebeam.modules.handles.catalogue import DEMO, nearest_names

    nearest = [name for name in nearest_names(text) if name != DEMO]
    # The old format of TensorFlow 1 is a single file.
    if nearest and "/" not in text and not Path(text).exists():
        raise ModuleError(
            f"{text!r}: neither a checkpoint nor a name in the catalogue. Did you mean "
            f"{' or '.join(nearest)}?"
        )


def _provenance(prefix: Path) -> dict[str, object]:
    from imagebeam.modules.handles.digest import digest_of_file

    data = sorted(prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*"))
    return {
        "checkpoint": prefix.name,
        "checkpoint_data": {file.name: digest_of_file(file) for file in data},
    }
