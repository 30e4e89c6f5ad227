"""make a module from a slim checkpoint.

  imagebeam module build --checkpoint mobilenet_v1_0.5_160_quant.ckpt --output module/

The checkpoint is one of MobileNet V1 with simulated quantisation, as TensorFlow 1 wrote it:
mobilenet_v1_0.5_160_quant.ckpt and its sisters. The module serves inference in the TensorFlow
formats of TF-Hub, and carries a LiteRT flatbuffer for installs without TensorFlow.
"""

import argparse
import glob
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        type=Path,
        metavar="PREFIX",
        help="what the checkpoint's files begin with, without .index or .data-…",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="must not exist")
    parser.add_argument(
        "--width", type=float, default=0.5, metavar="X", help="0.25, 0.5, 0.75 or 1 (default: 0.5)"
    )
    parser.add_argument(
        "--size",
        type=int,
        default=160,
        metavar="PIXELS",
        help="128, 160, 192 or 224 (default: 160)",
    )
    parser.add_argument(
        "--classes",
        type=Path,
        metavar="FILE",
        help="class names, one a line (default: none stored; 1001 classes are ImageNet's)",
    )
    parser.add_argument(
        "--quantise-input",
        action="store_true",
        help="round the input to 8 bits too, as version 1 of the published modules did "
        "(shifts pixels by half a level and clips white)",
    )


def run(args: argparse.Namespace) -> int:
    """Build the module; the exit code."""
    from imagebeam.beam_pipeline.cli import module_making

    module_making.start_tensorflow("module build")
    from imagebeam.mobilenet_v1 import Architecture
    from imagebeam.mobilenet_v1.checkpoint import class_count_of, load_weights, read_checkpoint
    from imagebeam.mobilenet_v1.export import refuse_existing
    from imagebeam.mobilenet_v1.network import Network
    from imagebeam.modules import read_class_names

    refuse_existing(args.output)
    weights = read_checkpoint(args.checkpoint)
    architecture = Architecture(args.width, args.size, class_count_of(weights))
    network = Network(architecture, quantise_input=args.quantise_input)
    load_weights(network, weights)
    classes = None
    if args.classes:
        classes = read_class_names(args.classes, architecture.class_count)
    module_making.export(network, args.output, classes, _provenance(args.checkpoint))
    print(
        f"module   {args.output}\n"
        f"network  MobileNet V1 {args.width:g}/{args.size}, {architecture.class_count:,} classes, "
        f"{architecture.parameters:,} parameters, {architecture.macs:,} MACs"
    )
    return 0


def _provenance(prefix: Path) -> dict[str, object]:
    from imagebeam.modules.handles.digest import digest_of_file

    data = sorted(prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*"))
    return {
        "checkpoint": prefix.name,
        "checkpoint_data": {file.name: digest_of_file(file) for file in data},
    }
