"""measure how often a module is right.

  imagebeam module evaluate module/ labelled-pictures/

IMAGES is a folder with one folder a class, named after it, or a CSV file with the columns `uri`
and `label`. A class is called by its name, by one of its synonyms ("tench" of "tench, Tinca
tinca") or by its number. Pictures are decoded and resized as `imagebeam label` does it.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "handle", metavar="HANDLE", help="folder, .tar.gz, .tflite or hub URL, with or without pin"
    )
    parser.add_argument("images", metavar="IMAGES", type=Path, help="folders of classes, or CSV")
    parser.add_argument(
        "--engine",
        choices=("auto", "litert", "tensorflow"),
        default="auto",
        help="what runs the module (default: litert where it can)",
    )
    parser.add_argument(
        "--resize",
        choices=("crop", "stretch"),
        default="crop",
        help="crop: the centre, 87.5%% of the shorter side; stretch: all of it (default: crop)",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="class names, one a line (default: the module's own)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Evaluate the module; the exit code."""
    import os
    from contextlib import closing

    from imagebeam.beam_pipeline.reporting import evaluation_display
    from imagebeam.evaluation import labelled_images
    from imagebeam.evaluation.accuracy import evaluate
    from imagebeam.images.errors import InputError
    from imagebeam.images.reading.reader import ImageReader
    from imagebeam.images.settings import Preprocessing
    from imagebeam.modules import ModuleError, load_engine, open_module, read_class_names

    images = labelled_images.read(args.images)
    module = open_module(args.handle, args.engine)
    info = module.info
    if info.class_count is None:
        raise ModuleError(f"{args.handle!r}: it gives features only. Give a classifier.")
    names = read_class_names(args.labels, info.class_count) if args.labels else info.class_names
    labels = [image.label for image in images]
    indices = labelled_images.class_indices(labels, names, info.class_count)
    engine = load_engine(module.engine, module.path, info)
    reader = ImageReader(Preprocessing(info.image_size, args.resize), os.cpu_count() or 1)
    with closing(reader), evaluation_display.progress(len(images)) as advance:
        evaluation = evaluate(images, indices, reader, engine, advance)
    if not evaluation.ranks:
        raise InputError(
            f"{str(args.images)!r}: none of its images can be decoded "
            f"({evaluation_display.counts(evaluation.failed)}). Give other images."
        )
    show = evaluation_display.print_json if args.json else evaluation_display.print_table
    show(evaluation, module, args.resize)
    return 0
