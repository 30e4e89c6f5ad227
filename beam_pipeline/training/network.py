"""Train a whole network with simulated quantisation (`module train`)."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.options.training_arguments import NetworkArguments
from imagebeam.escape_control_chars import escape_control_chars

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from imagebeam.evaluation.confusion import Confusion
    from imagebeam.images.settings import Resize
    from imagebeam.mobilenet_v1.folder_training import Classifier, TrainingPlan
    from imagebeam.mobilenet_v1.pictures import Decoder
    from imagebeam.mobilenet_v1.training import TrainingProgress

_FROZEN = (
    "For a new last layer on this network, add --freeze-network and a name that ends in .tflite as "
    "--output."
)
_DEFAULT_WIDTH = 0.5
_DEFAULT_SIZE = 160
_RATE_FROM_SCRATCH = 0.01
_RATE_OF_TRANSFER = 0.001


def train(args: argparse.Namespace, state: Path) -> None:
    """Train, export and print the accuracy; raise UsageError for a wrong option."""
    from imagebeam.beam_pipeline.options.module_arguments import parsed_module_options
    from imagebeam.beam_pipeline.training import building
    from imagebeam.modules.module_options import NO_OPTIONS

    if parsed_module_options(args) != NO_OPTIONS:
        raise UsageError(
            "--input-range and the other options for what the module does not state: only for a "
            "network that stays as it is. Add --freeze-network, or leave them out."
        )
    building.start_tensorflow("module train")
    from imagebeam.beam_pipeline.training.result import print_result
    from imagebeam.mobilenet_v1.errors import refuse_existing
    from imagebeam.mobilenet_v1.folder_training import train_from_folder
    from imagebeam.modules import training_pictures
    from imagebeam.training.class_folders import read_folder

    refuse_existing(args.output)
    weights, plan = _plan(args)
    with _progress(state) as report:
        classifier = train_from_folder(
            read_folder(args.images),
            plan,
            _decoder(args.resize),
            state,
            weights=weights,
            weights_name=args.source,
            report=report,
        )
    digests = (training_pictures.digest(path.read_bytes()) for path in classifier.learnt)
    building.export(
        classifier.network,
        args.output,
        classifier.classes,
        _provenance(args, plan, classifier),
        {training_pictures.FILE: training_pictures.content(digests)},
    )
    confusion = _confusion(args.output, classifier)
    correct = {
        "float": classifier.accuracy.float_right,
        "simulated 8-bit": classifier.accuracy.quantised_right,
        plan.quantization: confusion.correct,
    }
    print_result(correct, confusion, classifier.skipped, args.output, state)


@contextmanager
def _progress(state: Path) -> "Iterator[Callable[[TrainingProgress], None]]":
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


def _plan(args: argparse.Namespace) -> "tuple[Any, TrainingPlan]":
    """Return the initial weights, and the complete plan."""
    from imagebeam.mobilenet_v1.checkpoint import quantization_of, width_of
    from imagebeam.mobilenet_v1.folder_training import TrainingPlan

    defaults: dict[str, Any] = {
        "width": _DEFAULT_WIDTH,
        "size": _DEFAULT_SIZE,
        "learning_rate": _RATE_FROM_SCRATCH,
    }
    weights = None
    if args.source:
        weights, size = _weights(args.source)
        defaults = {
            "width": width_of(weights),
            "size": size,
            "learning_rate": _RATE_OF_TRANSFER,
            "quantization": quantization_of(weights),
        }
    given = {each.name: getattr(args, each.name) for each in fields(NetworkArguments)}
    flip = not given.pop("no_flip")
    stated = {name: value for name, value in given.items() if value is not None}
    plan = TrainingPlan(
        **{**defaults, **stated},
        held_out=args.held_out,
        flip=flip,
        balance=args.balance,
        seed=args.seed,
    )
    return weights, plan


def _weights(source: str) -> tuple[Any, int]:
    """Return weights by name, and the input size that they were trained with, if known."""
    from imagebeam.beam_pipeline.training.building import checkpoint_of_handle
    from imagebeam.mobilenet_v1.checkpoint import read_checkpoint, read_module
    from imagebeam.mobilenet_v1.errors import NetworkError
    from imagebeam.modules.handles.cache import Cache
    from imagebeam.modules.handles.handle import Handle, resolve
    from imagebeam.modules.open_module import open_module
    from imagebeam.modules.types import ONNX_SUFFIX

    # The flatbuffer of a published module cannot be trained, but its checkpoint can.
    checkpoint, entry = checkpoint_of_handle(source)
    if checkpoint is not None:
        return read_checkpoint(checkpoint), _DEFAULT_SIZE if entry is None else entry.size
    path = resolve(Handle.parse(source).text, Cache()).path
    if path.is_file():
        raise UsageError(
            f"--from {source}: a file without weights that can be trained. Give a SavedModel of "
            f"MobileNet V1, or a slim checkpoint. {'' if path.suffix == ONNX_SUFFIX else _FROZEN}"
        )
    module = open_module(source, engine="tensorflow")
    try:
        return read_module(module.path), module.info.image_size[0]
    except NetworkError as error:
        raise UsageError(f"--from {error} {_FROZEN}") from error


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
    args: argparse.Namespace, plan: "TrainingPlan", classifier: "Classifier"
) -> dict[str, object]:
    accuracy = classifier.accuracy
    return {
        "training": {**asdict(plan), "from": args.source, "resize": args.resize},
        "pictures_learnt": len(classifier.learnt),
        "pictures_held_out": accuracy.count,
        "accuracy_float": accuracy.float_right / accuracy.count,
        "accuracy_quantised": accuracy.quantised_right / accuracy.count,
    }


def _confusion(module: Path, classifier: "Classifier") -> "Confusion":
    """Run the module's flatbuffer on the validation images."""
    from imagebeam.evaluation.confusion import Confusion
    from imagebeam.modules.engines import load_engine
    from imagebeam.modules.open_module import open_module

    opened = open_module(str(module))
    engine = load_engine(opened.engine, opened.path, opened.info)
    held_out = classifier.held_out
    scores = engine.run(held_out.pixels).scores
    assert scores is not None
    names = [str(path) for path in held_out.files]
    return Confusion.of(classifier.classes, names, held_out.classes, scores)
