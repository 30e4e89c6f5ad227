"""Label pictures in this process: no pipeline, no output folder."""

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from os import PathLike, fspath
from typing import Any, Literal, NamedTuple, get_args, overload

import numpy as np
import numpy.typing as npt

from imagebeam.errors import ArgumentError
from imagebeam.images.decoded_image import DecodedImage
from imagebeam.images.errors import ImageError
from imagebeam.images.given_pictures import Picture, decoded_batches, is_picture
from imagebeam.images.settings import Resize
from imagebeam.modules.engines import Engine, load_engine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.catalogue import default_module
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.open_module import open_module
from imagebeam.modules.types import Module
from imagebeam.outputs.ranking import RankedClass, ranked_classes
from imagebeam.outputs.schema import EMITTED, PredictionSchema, heads_of

Errors = Literal["raise", "return"]


class Label(NamedTuple):
    """The result of a module for one picture.

    Attributes:
        label: the class with the highest score; "" if `emit` leaves labels out.
        score: its score, 0 to 1; 0 if `emit` leaves labels out.
        top_k: the best classes, best first.
        logits: float32 (classes,), if `emit` names them.
        features: float32 (length,), if `emit` names them.
    """

    label: str = ""
    score: float = 0.0
    top_k: tuple[RankedClass, ...] = ()
    logits: npt.NDArray[np.float32] | None = None
    features: npt.NDArray[np.float32] | None = None


@overload
def label_pictures(  # type: ignore[overload-overlap] # a str is a picture, not several
    pictures: Picture,
    module: str | PathLike[str] | None = None,
    top_k: int = 5,
    resize: Resize = "crop",
    engine: str = "auto",
    *,
    emit: Sequence[str] = ("labels",),
    errors: Literal["raise"] = "raise",
    options: ModuleOptions = NO_OPTIONS,
) -> Label: ...


@overload
def label_pictures(
    pictures: Iterable[Picture],
    module: str | PathLike[str] | None = None,
    top_k: int = 5,
    resize: Resize = "crop",
    engine: str = "auto",
    *,
    emit: Sequence[str] = ("labels",),
    errors: Literal["raise"] = "raise",
    options: ModuleOptions = NO_OPTIONS,
) -> list[Label]: ...


@overload
def label_pictures(
    pictures: Picture | Iterable[Picture],
    module: str | PathLike[str] | None = None,
    top_k: int = 5,
    resize: Resize = "crop",
    engine: str = "auto",
    *,
    emit: Sequence[str] = ("labels",),
    errors: Errors,
    options: ModuleOptions = NO_OPTIONS,
) -> Any: ...


def label_pictures(
    pictures: Picture | Iterable[Picture],
    module: str | PathLike[str] | None = None,
    top_k: int = 5,
    resize: Resize = "crop",
    engine: str = "auto",
    *,
    emit: Sequence[str] = ("labels",),
    errors: Errors = "raise",
    options: ModuleOptions = NO_OPTIONS,
) -> Any:
    """Label one picture or several in this process, by the rules of the job.

    The module stays loaded for the next call. The job decodes pictures in isolated processes; this
    function decodes them here, so use the job for untrusted pictures.

    Examples:
        >>> from PIL import Image
        >>> from imagebeam import label_pictures
        >>> from imagebeam.samples import ARCHIVE
        >>> opened = Image.open(ARCHIVE / "garden" / "IMG_2008.jpg")
        >>> label_pictures(opened, "demo").label
        'apple'

    Args:
        pictures: one picture, or any number: PIL images, names of files, or arrays, uint8
            (height, width, 3) RGB or (height, width) grey.
        module: a handle, as for `--module`; None for the default module of the command line.
        top_k: the number of classes in `Label.top_k`.
        resize: `crop` or `stretch`.
        engine: as for `--engine`.
        emit: any of `labels`, `logits` and `features`.
        errors: `raise` raises the first `ImageError`; `return` returns it in place of a `Label`.
        options: facts about the input of the module that it does not state.

    Returns:
        A `Label` for one picture; for several, a list with one entry per picture, in their order.

    Raises:
        ImageError: a picture cannot be read or decoded; its text names the picture.
        ModuleError: the module cannot be used, or does not provide what `emit` names.
        ArgumentError: another argument has no meaning.
    """
    single = is_picture(pictures)
    several: Any = [pictures] if single else pictures
    labels = iter_labels(
        several, module, top_k, resize, engine, emit=emit, errors=errors, options=options
    )
    found = list(labels)
    return found[0] if single else found


def iter_labels(
    pictures: Iterable[Picture],
    module: str | PathLike[str] | None = None,
    top_k: int = 5,
    resize: Resize = "crop",
    engine: str = "auto",
    *,
    emit: Sequence[str] = ("labels",),
    errors: Errors = "raise",
    options: ModuleOptions = NO_OPTIONS,
    progress: Callable[[int], object] | None = None,
) -> Iterator[Any]:
    """Yield one `Label` per picture while the pictures are read, for collections of any size.

    Examples:
        >>> from imagebeam import iter_labels
        >>> from imagebeam.samples import ARCHIVE
        >>> names = sorted((ARCHIVE / "kitchen").glob("*.webp"))[:3]
        >>> [found.label for found in iter_labels(names, "demo", progress=print)]
        3
        ['cup', 'key', 'light bulb']

    All other arguments, and the errors, are those of `label_pictures`. `progress` is called after
    each batch with the number of pictures so far.
    """
    emitted = _checked(pictures, top_k, resize, emit, errors)
    opened, loaded = _loaded(fspath(module or default_module()), engine, options)
    for name, head in zip(emitted, heads_of(emitted), strict=True):
        if head not in opened.info.heads:
            raise ModuleError(
                f"{opened.handle!r}: it does not provide {name}. Give a module that does, or leave "
                f"{name!r} out of emit."
            )
    schema = PredictionSchema(emitted, top_k, opened.info.class_names, {})
    return _labels(iter(pictures), opened, loaded, schema, resize, errors, progress)


def _checked(
    pictures: object, top_k: int, resize: str, emit: Sequence[str], errors: str
) -> tuple[str, ...]:
    """Check the arguments; return the names in `emit` in their usual order."""
    if not isinstance(pictures, Iterable) or is_picture(pictures):
        raise ArgumentError(
            f"pictures is {type(pictures).__name__}: not several pictures. Give a list of them."
        )
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise ArgumentError(f"top_k={top_k!r}: must be a whole number from 1. Give 5, for example.")
    names = [emit] if isinstance(emit, str) else list(emit)
    for argument, values, choices in (
        ("resize", [resize], get_args(Resize)),
        ("errors", [errors], get_args(Errors)),
        ("emit", names, EMITTED),
    ):
        for value in values:
            if value not in choices:
                raise ArgumentError(f"{argument}={value!r}: must be one of {', '.join(choices)}.")
    return tuple(name for name in EMITTED if name in names)


@functools.lru_cache(maxsize=2)
def _loaded(handle: str, engine: str, options: ModuleOptions) -> tuple[Module, Engine]:
    module = open_module(handle, engine, options=options)
    for note in module.notes:
        warnings.warn(note, stacklevel=4)
    return module, load_engine(module.engine, module.path, module.info)


def _labels(
    pictures: Iterator[Picture],
    module: Module,
    engine: Engine,
    schema: PredictionSchema,
    resize: Resize,
    errors: str,
    progress: Callable[[int], object] | None,
) -> Iterator[Label | ImageError]:
    done = 0
    for images in decoded_batches(pictures, module.info.image_size, resize):
        decoded = [image for image in images if isinstance(image, DecodedImage)]
        labels = _label(decoded, engine, schema)
        done += len(images)
        if progress is not None:
            progress(done)
        for image in images:
            if isinstance(image, DecodedImage):
                yield next(labels)
            elif errors == "raise":
                raise image
            else:
                yield image


def _label(
    images: Sequence[DecodedImage], engine: Engine, schema: PredictionSchema
) -> Iterator[Label]:
    if not images:
        return
    outputs = engine.run(np.stack([image.pixels for image in images]))
    ranked: Iterable[Sequence[RankedClass]] = repeat(())
    if "labels" in schema.emit:
        assert outputs.scores is not None
        ranked = ranked_classes(outputs.scores, schema.class_names, schema.top_k)
    vectors = (
        getattr(outputs, name) if name in schema.emit else repeat(None)
        for name in ("logits", "features")
    )
    for _, top_k, logits, features in zip(images, ranked, *vectors, strict=False):
        best = top_k[0] if top_k else RankedClass(0, "", 0.0)
        yield Label(best.label, best.score, tuple(top_k), logits, features)
