"""Pictures to labels, here and now: no pipeline, no output folder."""

import functools
from collections.abc import Iterable, Iterator
from itertools import islice
from os import PathLike, fspath
from typing import NamedTuple

import numpy as np
from PIL import Image

from imagebeam.images.decode import DecodedImage, decode, decode_opened
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.fetch import fetch
from imagebeam.images.settings import Preprocessing, Resize
from imagebeam.modules import Engine, Module, ModuleError, load_engine, open_module
from imagebeam.outputs.schema import PredictionSchema, RankedClass, prediction_rows
from imagebeam.samples import MODULE

_BATCH = 32

Picture = Image.Image | str | PathLike[str]


class Label(NamedTuple):
    """What a module sees in one picture.

    Attributes:
        label: the class with the highest score.
        score: 0 to 1.
        top_k: the best classes, best first.
    """

    label: str
    score: float
    top_k: tuple[RankedClass, ...]


def label_pictures(
    pictures: Iterable[Picture],
    module: str = str(MODULE),
    top_k: int = 5,
    resize: Resize = "crop",
    engine: str = "auto",
) -> list[Label]:
    """Label pictures in this process, by the rules of the job.

    The module stays loaded for the next call. Pictures are decoded here: for those of strangers
    there is the job, whose decoders cannot harm it.

    Examples:
        >>> from PIL import Image
        >>> from imagebeam import label_pictures
        >>> from imagebeam.samples import ARCHIVE
        >>> opened = Image.open(ARCHIVE / "garden" / "IMG_2008.jpg")
        >>> [found] = label_pictures([opened])
        >>> found.label
        'apple'

    Args:
        pictures: PIL images, or names of files; any number.
        module: what `--module` takes; the embedded module if left out.
        top_k: how many classes of each picture to give.
        resize: `crop` or `stretch`.
        engine: what `--engine` takes.

    Returns:
        One `Label` a picture, in their order.

    Raises:
        ImageError: a picture cannot be read or decoded; a leaf of it says why.
        ModuleError: there is no such module, or it names no classes.
    """
    opened, loaded = _loaded(module, engine)
    schema = PredictionSchema(("labels",), top_k, opened.info.class_names, {})
    decoded = (_decoded(picture, opened.info.image_size, resize) for picture in pictures)
    return [label for batch in _batches(decoded) for label in _labels(batch, loaded, schema)]


@functools.lru_cache(maxsize=2)
def _loaded(handle: str, engine: str) -> tuple[Module, Engine]:
    module = open_module(handle, engine)
    if "scores" not in module.info.heads:
        raise ModuleError(f"{handle!r}: it has no classes. Give a module that classifies.")
    return module, load_engine(module.engine, module.path, module.info)


def _decoded(picture: Picture, size: tuple[int, int], resize: Resize) -> DecodedImage:
    if isinstance(picture, Image.Image):
        # A copy: what is done to it must not be seen by its owner.
        return decode_opened(picture.copy(), size, resize)
    return decode(fetch(ImageLocation(fspath(picture)), Preprocessing.max_bytes), size, resize)


def _batches(images: Iterator[DecodedImage]) -> Iterator[list[DecodedImage]]:
    while batch := list(islice(images, _BATCH)):
        yield batch


def _labels(batch: list[DecodedImage], engine: Engine, schema: PredictionSchema) -> Iterator[Label]:
    scores = engine.run(np.stack([image.pixels for image in batch])).scores
    sizes = np.array([(image.width, image.height) for image in batch], np.int32)
    names = [""] * len(batch)
    table = schema.table(names, sizes[:, 0], sizes[:, 1], scores, None, None)
    for row in prediction_rows(table):
        yield Label(row["label"], row["score"], tuple(row["top_k"]))
