"""From a URI to the pixels that a module takes, by rules that belong to the job."""

from dataclasses import dataclass

from imagebeam.images.decode import MAX_PIXELS, DecodedImage, Resize, decode
from imagebeam.images.errors import ImageError
from imagebeam.images.reading.fetch import FetchRequest, fetch
from imagebeam.images.stage_times import Meter


@dataclass(frozen=True)
class Preprocessing:
    """How pictures become a module's input; part of what makes two outputs comparable.

    Attributes:
        size: (height, width) of the module's input in pixels.
        resize: see `imagebeam.images.decode.decode`.
        max_bytes: an encoded image with more is refused.
        max_pixels: a picture with more is refused.
    """

    size: tuple[int, int]
    resize: Resize = "crop"
    max_bytes: int = 100_000_000
    max_pixels: int = MAX_PIXELS

    @property
    def image_bytes(self) -> int:
        """Bytes of one decoded picture: height × width × 3."""
        return self.size[0] * self.size[1] * 3

    def read(self, request: FetchRequest, meter: Meter) -> DecodedImage | ImageError:
        """Fetch and decode one image in this process; its pixels, or the error it ends in."""
        try:
            with meter.stage("fetch"):
                data = fetch(request, self.max_bytes)
            with meter.stage("decode"):
                return decode(data, self.size, self.resize, self.max_pixels)
        except ImageError as error:
            # Made anew: traceback and cause would keep the picture's bytes as long as the error.
            return type(error)(*error.args)
