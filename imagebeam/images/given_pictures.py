"""Pictures that a program hands over: PIL images, names of files, or arrays."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from os import PathLike, fspath

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagebeam import resources
from imagebeam.errors import ArgumentError
from imagebeam.images.decode import decode, decode_opened
from imagebeam.images.decoded_image import DecodedImage
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.fetch import fetch
from imagebeam.images.settings import Preprocessing, Resize

Picture = Image.Image | str | PathLike[str] | npt.NDArray[np.uint8]
"""A PIL image, the name of a file, or an array uint8 (height, width, 3) RGB or (height, width)."""

_BATCH = 32


def is_picture(value: object) -> bool:
    """Return whether a value is one picture, and not several."""
    if isinstance(value, np.ndarray):
        return value.ndim in (2, 3)
    return isinstance(value, (Image.Image, str, PathLike))


def decoded_batches(
    pictures: Iterator[Picture], size: tuple[int, int], resize: Resize
) -> Iterator[list[DecodedImage | ImageError]]:
    """Yield pictures in batches, decoded by threads of this process; an error names its picture."""
    count = 0

    def decoded(number: int, picture: Picture) -> DecodedImage | ImageError:
        try:
            return _decoded(picture, size, resize)
        except ImageError as error:
            name = _name_of(picture) or f"picture {number}"
            return type(error)(f"{name}: {error}")

    with ThreadPoolExecutor(resources.cores(), thread_name_prefix="decode") as threads:
        while batch := list(islice(pictures, _BATCH)):
            # Pictures of the caller are copied before threads touch them.
            copies = list(map(_own_copy, batch))
            yield list(threads.map(decoded, range(count, count + len(batch)), copies))
            count += len(batch)


def _name_of(picture: Picture) -> str:
    """Return the name of the file that a picture comes from; "" if it is unknown."""
    if isinstance(picture, (str, PathLike)):
        return fspath(picture)
    return str(getattr(picture, "filename", ""))


def _own_copy(picture: Picture) -> Picture:
    """Copy an opened image: operations on it must not change the object of the caller."""
    if not isinstance(picture, Image.Image):
        return picture
    copy = picture.copy()
    if name := getattr(picture, "filename", ""):
        copy.filename = name  # type: ignore[attr-defined]
    return copy


def _decoded(picture: Picture, size: tuple[int, int], resize: Resize) -> DecodedImage:
    """Decode and resize a picture in this process.

    Args:
        picture: arrays are uint8 (height, width, 3) RGB or (height, width), 0 to 255.
        size: (height, width) in pixels.
        resize: see `imagebeam.images.decode.decode`.

    Raises:
        ImageError: the file cannot be read or decoded.
        ArgumentError: the value is not a picture.
    """
    if isinstance(picture, np.ndarray):
        is_shaped = picture.ndim in (2, 3) and picture.shape[2:] in ((), (3,), (4,))
        if picture.dtype != np.uint8 or not is_shaped:
            raise ArgumentError(
                f"an array {picture.dtype} {picture.shape}: not a picture. Give uint8 "
                "(height, width, 3) RGB with values from 0 to 255."
            )
        picture = Image.fromarray(picture)
    if isinstance(picture, Image.Image):
        return decode_opened(picture, size, resize)
    if not isinstance(picture, (str, PathLike)):
        raise ArgumentError(
            f"{type(picture).__name__}: not a picture. Give PIL images, names of files or arrays."
        )
    return decode(fetch(ImageLocation(fspath(picture)), Preprocessing.max_bytes), size, resize)
