"""Train a new head on a network that stays as it is (`module train --freeze-network`)."""

import argparse
import sys
from contextlib import closing
from dataclasses import fields
from pathlib import Path

from imagebeam import resources
from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.options.module_arguments import parsed_module_options
from imagebeam.beam_pipeline.options.training_arguments import NetworkArguments
from imagebeam.beam_pipeline.reporting import console
from imagebeam.beam_pipeline.reporting.progress import Step, progress
from imagebeam.beam_pipeline.training.result import print_result
from imagebeam.images.reading.reader import ImageReader
from imagebeam.images.settings import Preprocessing
from imagebeam.mobilenet_v1.errors import refuse_existing
from imagebeam.modules.handles.catalogue import default_module
from imagebeam.modules.open_module import open_module
from imagebeam.storage.atomic_files import write_file
from imagebeam.training.class_folders import read_folder
from imagebeam.training.frozen_network import HeadPlan, require_features, train_head
from imagebeam.version import __version__


def train(args: argparse.Namespace, state: Path) -> None:
    """Train, write the flatbuffer and print the accuracy; raise UsageError for a wrong option."""
    for name in (each.name for each in fields(NetworkArguments)):
        if getattr(args, name):
            raise UsageError(
                f"--{name.replace('_', '-')}: has no effect with --freeze-network, which trains "
                "only a new head. Leave it out."
            )
    if args.output.suffix != ".tflite":
        raise UsageError(
            f"--output {args.output}: --freeze-network writes one flatbuffer. Give a name that "
            "ends in .tflite."
        )
    refuse_existing(args.output)
    stated = parsed_module_options(args)
    source = args.source or default_module()
    with console.fetching(sys.stderr) as fetching:
        module = open_module(source, progress=fetching, options=stated)
    require_features(module)
    for note in module.notes:
        console.report_warning(note)
    processes = resources.available().decode_processes()
    reader = ImageReader(Preprocessing(module.info.image_size, args.resize), processes)
    with closing(reader), progress(sys.stderr, "images") as show:
        trained = train_head(
            read_folder(args.images),
            module,
            HeadPlan(args.held_out, args.balance, args.seed),
            reader,
            {"imagebeam": __version__, "resize": args.resize},
            lambda done, total: show(Step("computing features", done, total)),
        )
    write_file(args.output, trained.flatbuffer)
    correct = {"new head": trained.confusion.correct}
    print_result(correct, trained.confusion, trained.skipped, args.output, state)
