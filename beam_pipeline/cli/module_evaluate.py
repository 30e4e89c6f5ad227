"""measure the accuracy of a module on labelled images.

  imagebeam module evaluate module/ labelled-pictures/

IMAGES is a folder with one folder per class, named after it, or a table with the columns `uri` and
`label`: CSV, TSV, JSON lines or Parquet. An image that comes several times counts once. Name a
class by its name, by one of its synonyms ("tench" of "tench, Tinca tinca") or by its number.
Pictures are decoded and resized as by `imagebeam label`.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.beam_pipeline.options.declaration import add_options
from imagebeam.images.errors import InputError
from imagebeam.modules.class_names import read_class_names
from imagebeam.modules.errors import ModuleError

if TYPE_CHECKING:
    from imagebeam.evaluation.accuracy import CorrectCounts, Evaluation
    from imagebeam.evaluation.labelled_images import LabelledImage
    from imagebeam.images.settings import Resize
    from imagebeam.modules.types import Module


def add_arguments(parser: CommandParser) -> None:
    from imagebeam.beam_pipeline.options.module_arguments import EvaluationArguments, add_handle

    add_handle(parser)
    parser.add_argument(
        "images", metavar="IMAGES", type=Path, help="folders of classes, or a table"
    )
    add_options(parser, EvaluationArguments)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.reporting import console
    from imagebeam.beam_pipeline.reporting.progress import failure_counts
    from imagebeam.evaluation import labelled_images
    from imagebeam.evaluation.accuracy import count_training_pictures

    images = labelled_images.read(args.images)
    modules = _candidates(args)
    info = modules[0].info
    if info.class_count is None:
        raise ModuleError(
            f"{args.handle!r}: it provides only features. Give a module with classes."
        )
    names = read_class_names(args.labels, info.class_count) if args.labels else info.class_names
    labels = [image.label for image in images]
    indices = labelled_images.class_indices(labels, names, info.class_count)
    images = labelled_images.distinct(images, str(args.images), indices.__getitem__)
    evaluations = _evaluations(modules, images, indices, args.resize)
    best = max(range(len(modules)), key=lambda place: evaluations[place].counts.top_1)
    module, evaluation = modules[best], evaluations[best]
    if not evaluation.ranks:
        raise InputError(
            f"{str(args.images)!r}: none of its images can be decoded "
            f"({failure_counts(evaluation.failed)}). Give other images."
        )
    if len(modules) > 1 and not args.json:
        _print_candidates(modules, evaluations)
    learnt = count_training_pictures(images, module)
    if learnt:
        console.report_warning(
            f"{learnt:,} of these {len(images):,} images were used to train this module, so the "
            "accuracy on other images may be lower. Give other images."
        )
    show_result = _print_json if args.json else _print_table
    show_result(evaluation, module, args.resize, learnt)
    return 0


def _candidates(args: argparse.Namespace) -> "list[Module]":
    """Return the module; with each usual input if nothing states the range: the images decide."""
    from imagebeam.beam_pipeline.options.module_arguments import parsed_module_options
    from imagebeam.modules.input_ranges import ASSUMED
    from imagebeam.modules.module_options import USUAL_INPUTS
    from imagebeam.modules.open_module import open_module

    stated = parsed_module_options(args)
    module = open_module(args.handle, args.engine, options=stated)
    if module.info.class_count is None or module.info.range_origin != ASSUMED:
        return [module]
    options = map(stated.with_input, USUAL_INPUTS)
    return [open_module(args.handle, args.engine, options=each) for each in options]


def _evaluations(
    modules: "list[Module]",
    images: "Sequence[LabelledImage]",
    indices: Mapping[str, int],
    resize: "Resize",
) -> "list[Evaluation]":
    """Run the modules on the images."""
    from imagebeam import resources
    from imagebeam.beam_pipeline.reporting.progress import Step, progress
    from imagebeam.evaluation.accuracy import evaluate
    from imagebeam.images.reading.reader import ImageReader
    from imagebeam.images.settings import Preprocessing
    from imagebeam.modules.engines.separate import SeparateEngine

    done = 0
    processes = resources.available().decode_processes()
    reader = ImageReader(Preprocessing(modules[0].info.image_size, resize), processes)
    with closing(reader), progress(sys.stderr, "images") as show:

        def advance(count: int) -> None:
            nonlocal done
            done += count
            show(Step("evaluating", done, len(images) * len(modules)))

        found = []
        for module in modules:
            with closing(SeparateEngine(module)) as engine:
                found.append(evaluate(images, indices, reader, engine, advance))
        return found


def _print_candidates(modules: "list[Module]", evaluations: "list[Evaluation]") -> None:
    """Compare the input ranges that are possible, and name the option for the best one."""
    print("Nothing states the input range of this module. Correct labels with each candidate:\n")
    width = max(len(module.info.options.input_words) for module in modules)
    for module, evaluation in zip(modules, evaluations, strict=True):
        counts = evaluation.counts
        print(
            f"  {module.info.options.input_words.ljust(width)}  "
            f"{counts.top_1:,} of {counts.images:,}"
        )
    best = max(evaluation.counts.top_1 for evaluation in evaluations)
    equal = sum(evaluation.counts.top_1 == best for evaluation in evaluations)
    print(
        "\nThe pictures do not show which range is right. Give more of them.\n"
        if equal > 1
        else "\nThe best one is used below. Give it to `label` too.\n"
    )


def _print_json(evaluation: "Evaluation", module: "Module", resize: str, learnt: int) -> None:
    """Print shares with their 95 % intervals as JSON, overall and by class."""
    result = {
        "module": module.handle,
        "digest": module.digest,
        "engine": module.engine,
        "input_range": list(module.info.value_range),
        "resize": resize,
        "training_images": learnt,
        "failed": dict(evaluation.failed),
        **_figures(evaluation.counts, module),
        "classes": {
            label: _figures(counts, module) for label, counts in evaluation.counts_by_label.items()
        },
    }
    print(json.dumps(result, indent=2))


def _figures(counts: "CorrectCounts", module: "Module") -> dict[str, Any]:
    """Return shares; those of the best five are None where a module has no more classes."""
    from imagebeam.evaluation.accuracy import TOP, wilson_interval

    has_top_5 = (module.info.class_count or 0) > TOP
    return {
        "images": counts.images,
        "top_1": counts.share,
        "top_1_interval": counts.interval,
        "top_5": counts.top_5 / counts.images if has_top_5 else None,
        "top_5_interval": wilson_interval(counts.top_5, counts.images) if has_top_5 else None,
    }


def _print_table(evaluation: "Evaluation", module: "Module", resize: str, learnt: int) -> None:
    """Print the result for a person."""
    from imagebeam.beam_pipeline.reporting.progress import failure_counts
    from imagebeam.beam_pipeline.reporting.terminal import SafeConsole, SafeTable
    from imagebeam.evaluation.accuracy import TOP

    table = SafeTable(padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("class", overflow="fold")
    # All of five classes or fewer are among the best five.
    has_top_5 = (module.info.class_count or 0) > TOP
    for name in ("images", "top-1", *(["top-5"] if has_top_5 else [])):
        table.add_column(name, justify="right")
    for label, counts in evaluation.counts_by_label.items():
        table.add_row(
            label,
            f"{counts.images:,}",
            f"{counts.share:.1%}",
            *([f"{counts.top_5 / counts.images:.1%}"] if has_top_5 else []),
        )
    out = SafeConsole(soft_wrap=True)
    out.print(table)
    out.print(f"\n{module.handle} on {module.engine}, {resize}")
    counts = evaluation.counts
    out.print(_line("top-1", counts.top_1, counts.images))
    if has_top_5:
        out.print(_line("top-5", counts.top_5, counts.images))
    if learnt:
        out.print(f"used to train this module: {learnt:,} of them")
    if evaluation.failed:
        out.print(f"not decoded, not counted: {failure_counts(evaluation.failed)}")


def _line(name: str, correct: int, images: int) -> str:
    from imagebeam.evaluation.accuracy import wilson_interval

    low, high = wilson_interval(correct, images)
    interval = f"95 % interval {low:.1%} to {high:.1%}"
    return f"{name} {correct / images:.1%} of {images:,} images ({interval})"
