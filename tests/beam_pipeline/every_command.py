"""Arguments with which every command works, or is refused soon, and the files that they name."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from imagebeam.samples import MODULE
from tests.beam_pipeline.jobs import archive, imagebeam, predictions


class Paths(NamedTuple):
    """The files that the commands read and write.

    Attributes:
        images: folders of pictures.
        table: true labels of these pictures.
        output: of a job.
        new: a folder for what the command writes.
    """

    images: Path
    table: Path
    output: Path
    new: Path


WORDS: dict[str, Callable[[Paths], tuple[object, ...]]] = {
    "demo": lambda at: ("--output", at.new / "demo"),
    "doctor": lambda at: (
        *(at.images, "--output", at.new / "labels", "--module", "demo", "--deadline", 3_000),
    ),
    "label": lambda at: (at.images, "--output", at.new / "labels", "--module", "demo"),
    "status": lambda at: (at.output,),
    "report": lambda at: (at.output, "--output", at.new / "page.html"),
    "search": lambda at: (at.output, "e"),
    "export": lambda at: (at.output, "--to", at.new / "a.csv"),
    "compare": lambda at: (at.output, at.output),
    "verify": lambda at: (at.output,),
    "compact": lambda at: (at.output,),
    "commit": lambda at: (at.output, "--delta", at.new / "table"),
    "completion": lambda at: ("bash",),
    "module list": lambda at: (),
    "module get": lambda at: ("demo",),
    "module show": lambda at: ("demo",),
    "module try": lambda at: ("demo", next(at.images.rglob("*.jpg"))),
    "module evaluate": lambda at: ("demo", at.table),
    "module annotate": lambda at: (MODULE, "--output", at.new / "copy.tflite", "--channels", "rgb"),
    "module compile": lambda at: ("demo", "--output", at.new / "copy.tflite"),
    "module build": lambda at: ("--checkpoint", "x"),
    "module train": lambda at: (
        *(at.images, "--output", at.new / "mine.tflite", "--freeze-network", "--from", "demo"),
    ),
}
"""The arguments of each command. Some are wrong, because the command is slow or needs a network."""


def label_some(folder: Path) -> None:
    """Draw images in `in`, label them into `out`, and write the labels to `true.csv`."""
    archive(folder / "in", 6)
    assert imagebeam("label", folder / "in", "-o", folder / "out", "-m", "demo") == 0
    with (folder / "true.csv").open("w") as file:
        rows = ((row["uri"], row["label"]) for row in predictions(folder / "out"))
        csv.writer(file).writerows([("uri", "label"), *rows])
