"""fetch a published module by its name.

  imagebeam module get mobilenet_v1_050_160

`imagebeam module list` shows the names. The archive of the publisher is checked against its pinned
digest and kept in the cache, ~/.cache/imagebeam. Commands that are given the name fetch it
themselves; fetch it in advance for a machine without network. Set IMAGEBEAM_CATALOGUE to the
address of a mirror, or to a folder, that has the archives under the paths of the publisher, such
as mobilenet_v1_2018_08_02/mobilenet_v1_0.5_160_quant.tgz.
"""

import argparse
import sys

from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a name that `imagebeam module list` shows")


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.reporting import console
    from imagebeam.modules.handles.catalogue import DEMO, catalogue, checkpoint_of, nearest_names
    from imagebeam.modules.open_module import open_module

    if (entry := catalogue().get(args.name)) is None:
        nearest = [name for name in nearest_names(args.name) if name != DEMO]
        if args.name == DEMO:
            fix = f"It comes with the package: use it with --module {DEMO}."
        elif nearest:
            fix = f"Did you mean {' or '.join(nearest)}?"
        else:
            fix = "See `imagebeam module list`."
        raise ModuleError(f"{args.name!r}: not in the catalogue. {fix}")
    with console.fetching(sys.stderr) as progress:
        module = open_module(args.name, progress=progress)
    checkpoint = checkpoint_of(entry, Cache())
    print(f"module      {args.name}")
    print(f"digest      {module.digest}")
    print(f"file        {escape_control_chars(str(module.path))}")
    print(f"outputs     {', '.join(sorted(module.info.heads))}; runs without TensorFlow")
    if checkpoint is not None:
        print(f"checkpoint  {escape_control_chars(str(checkpoint))}")
        print("            for `imagebeam module build` and `module train`, which need TensorFlow")
    print(f"\nUse it with: imagebeam label INPUT --output DIR --module {args.name}")
    return 0
