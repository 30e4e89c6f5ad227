"""Many images at once: fetched and decoded side by side, each ending in pixels or an error."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from images.decode import DecodedImage, Resize, decode
from images.errors import ImageError
from images.fetch import fetch


@dataclass(frozen=True)
class Preprocessing:
    """How pictures become a module's input; part of what makes two outputs comparable.

    Attributes:
        size: (height, width) of the module's input in pixels.
        resize: see `images.decode.decode`.
        max_bytes: an encoded image with more is refused.
        max_pixels: a picture with more is refused.
    """

    size: tuple[int, int]
    resize: Resize = "crop"
    max_bytes: int = 100_000_000
    max_pixels: int = 100_000_000


class ImageReader:
    """A pool of threads that fetch and decode.

    Waiting for storage and Pillow's decoders both release the interpreter, so threads use all
    cores. One reader serves all shards of a process.
    """

    def __init__(self, preprocessing: Preprocessing, threads: int) -> None:
        self._preprocessing = preprocessing
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="image-reader")

    def read(self, uris: Sequence[str]) -> list[DecodedImage | ImageError]:
        """The picture behind each URI, or the error that it ends in, in the order given."""
        return list(self._pool.map(self._read, uris))

    def _read(self, uri: str) -> DecodedImage | ImageError:
        wanted = self._preprocessing
        try:
            data = fetch(uri, wanted.max_bytes)
            return decode(data, wanted.size, wanted.resize, wanted.max_pixels)
        except ImageError as error:
            # The traceback would keep the picture's bytes alive as long as the error.
            return error.with_traceback(None)
