"""train a module on folders of classes, with simulated quantisation.

  imagebeam module train my-pictures/ --output my-module/ --from module/

IMAGES holds one folder per class, named after the class, with its pictures. Part of every class is
kept for validation; the accuracy on it is printed at the end, for the float network, for its
simulated and for its real 8-bit form. With --from, training begins with the weights of a module or
slim checkpoint, which needs far fewer pictures and epochs; the classes may differ.

The run is kept in DIR.training: run the same command again after any interruption to continue.
TensorBoard reads DIR.training/summaries.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagebeam.escape_control_chars import escape_control_chars

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from imagebeam.beam_pipeline.cli.main import CommandParser
    from imagebeam.images.settings import Resize
    from imagebeam.mobilenet_v1.folder_training import Classifier, Plan
    from imagebeam.mobilenet_v1.pictures import Decoder
    from imagebeam.mobilenet_v1.training import Progress

_DEFAULT_WIDTH = 0.5
_DEFAULT_SIZE = 160
_RATE_FROM_SCRATCH = 0.01
_RATE_OF_TRANSFER = 0.001
_SKIPPED_SHOWN = 5


def add_arguments(parser: "CommandParser") -> None:
    """Declare the options."""
    parser.add_argument("images", type=Path, metavar="IMAGES", help="folders of classes")
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="DIR", help="must not exist"
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="MODULE|CHECKPOINT",
        help="initial weights: the handle of a module, a name of the catalogue, or the path of a "
        "slim checkpoint without .index (default: random weights)",
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
    learning = parser.add_group("learning")
    learning.add_argument(
        "--epochs",
        type=int,
        default=30,
        metavar="N",
        help="number of passes over the pictures (default: 30)",
    )
    learning.add_argument(
        "--batch-size",
        type=int,
        default=32,
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
        default=0.6,
        metavar="SHARE",
        help="share of the run after which quantisation is simulated (default: 0.6)",
    )
    learning.add_argument(
        "--freeze-from",
        type=float,
        default=0.8,
        metavar="SHARE",
        help="share of the run after which the batch norm statistics are frozen (default: 0.8)",
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


def run(args: argparse.Namespace) -> int:
    """Train, export and print the accuracy; the exit code."""
    from imagebeam.beam_pipeline.cli import module_build

    module_build.start_tensorflow("module train")
    from imagebeam.mobilenet_v1.export import refuse_existing
    from imagebeam.mobilenet_v1.folder_training import train_from_folder

    refuse_existing(args.output)
    state = args.output.with_name(f"{args.output.name}.training")
    weights, plan = _plan(args)
    with _progress(state) as report:
        classifier = train_from_folder(
            args.images,
            plan,
            _decoder(args.resize),
            state,
            weights=weights,
            weights_name=args.source,
            report=report,
        )
    module_build.export(
        classifier.network,
        args.output,
        classifier.classes,
        _provenance(args, plan, classifier),
    )
    integer_correct = _integer_correct(args.output, classifier)
    _print_result(classifier, integer_correct, args.output, state)
    return 0


@contextmanager
def _progress(state: Path) -> "Iterator[Callable[[Progress], None]]":
    """Show progress; after Ctrl-C say that the run in the folder `state` can go on."""
    from imagebeam.beam_pipeline.reporting.progress import Step, progress

    try:
        with progress(sys.stderr, "steps") as show:
            show(Step("decoding"))
            yield lambda now: show(
                Step(
                    f"training ({now.phase.value})",
                    now.step,
                    now.steps,
                    f"loss {now.loss:.3f}, accuracy {now.accuracy:.1%}",
                )
            )
    except KeyboardInterrupt:
        print(
            f"\nimagebeam: stopped. The run stays in {escape_control_chars(str(state))}; the same "
            "command continues it.",
            file=sys.stderr,
        )
        raise


def _plan(args: argparse.Namespace) -> "tuple[Any, Plan]":
    """The initial weights, and the complete plan."""
    from imagebeam.mobilenet_v1.checkpoint import width_of
    from imagebeam.mobilenet_v1.folder_training import Plan

    weights, width, size, rate = None, _DEFAULT_WIDTH, _DEFAULT_SIZE, _RATE_FROM_SCRATCH
    if args.source:
        weights, size = _weights(args.source)
        width, rate = width_of(weights), _RATE_OF_TRANSFER
    plan = Plan(
        width=width if args.width is None else args.width,
        size=size if args.size is None else args.size,
        epochs=args.epochs,
        batch_size=args.batch_size,
        held_out=args.held_out,
        learning_rate=rate if args.learning_rate is None else args.learning_rate,
        quantise_from=args.quantise_from,
        freeze_from=args.freeze_from,
        flip=not args.no_flip,
        seed=args.seed,
    )
    return weights, plan


def _weights(source: str) -> tuple[Any, int]:
    """Weights by name, and the input size that they were trained with, if known."""
    from imagebeam.beam_pipeline.cli.module_build import checkpoint_of_handle
    from imagebeam.mobilenet_v1.checkpoint import read_checkpoint, read_module
    from imagebeam.modules import open_module

    # Only the checkpoint of a published module can be trained; its flatbuffer cannot.
    checkpoint, entry = checkpoint_of_handle(source)
    if checkpoint is not None:
        return read_checkpoint(checkpoint), _DEFAULT_SIZE if entry is None else entry.size
    module = open_module(source, engine="tensorflow")
    return read_module(module.path), module.info.image_size[0]


def _decoder(resize: "Resize") -> "Decoder":
    from imagebeam.images.decode import decode
    from imagebeam.images.errors import DecodeError
    from imagebeam.mobilenet_v1.errors import PictureError

    def pixels(data: bytes, side: int) -> "npt.NDArray[np.uint8]":
        try:
            return decode(data, (side, side), resize).pixels
        except DecodeError as error:
            raise PictureError(f"{error.code}: {error}") from error

    return pixels


def _provenance(
    args: argparse.Namespace, plan: "Plan", classifier: "Classifier"
) -> dict[str, object]:
    from dataclasses import asdict

    accuracy = classifier.accuracy
    return {
        "training": {**asdict(plan), "from": args.source, "resize": args.resize},
        "pictures_learnt": classifier.learnt,
        "pictures_held_out": accuracy.count,
        "accuracy_float": accuracy.float_right / accuracy.count,
        "accuracy_quantised": accuracy.quantised_right / accuracy.count,
    }


def _integer_correct(module: Path, classifier: "Classifier") -> int:
    """Count the validation images that the module's flatbuffer classifies correctly."""
    from imagebeam.modules import load_engine, open_module

    opened = open_module(str(module))
    engine = load_engine(opened.engine, opened.path, opened.info)
    scores = engine.run(classifier.held_out.pixels).scores
    assert scores is not None
    return int((scores.argmax(axis=1) == classifier.held_out.classes).sum())


def _print_result(
    classifier: "Classifier", integer_correct: int, module: Path, state: Path
) -> None:
    """Print accuracy in each form, the skipped pictures and where the module is."""
    from imagebeam.beam_pipeline.reporting.terminal import SafeConsole, SafeTable

    out = SafeConsole()
    accuracy = classifier.accuracy
    table = SafeTable("validation images", "correct", "accuracy")
    for form, correct in (
        ("float", accuracy.float_right),
        ("simulated 8-bit", accuracy.quantised_right),
        ("uint8", integer_correct),
    ):
        table.add_row(form, f"{correct:,} of {accuracy.count:,}", f"{correct / accuracy.count:.1%}")
    out.print(table)
    if classifier.skipped:
        out.print(f"\n{len(classifier.skipped):,} pictures skipped:", soft_wrap=True)
        for line in classifier.skipped[:_SKIPPED_SHOWN]:
            out.print(f"  {line}", soft_wrap=True)
    out.print(f"\nmodule   {module}", soft_wrap=True)
    out.print(f"run      {state}: TensorBoard summaries; can be removed", soft_wrap=True)
    out.print(f"next     imagebeam label IMAGES --output DIR --module {module}", soft_wrap=True)
