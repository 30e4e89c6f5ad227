"""Read the images of one shard; each ends in a row of arrays or in a failure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imagebeam.images import uris
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.reading.decoding_process import Outcome
from imagebeam.images.reading.picture_task import PictureTask
from imagebeam.images.reading.reader import ImageReader, ReadBytes
from imagebeam.images.settings import NO_READ_COLUMNS, ReadColumns
from imagebeam.storage.secrets import HideQuery
from imagebeam.transforms.elements import AnsweredShard, DecodedShard, Failure, Shard


@dataclass(frozen=True)
class ShardReader:
    """Reads shards.

    Attributes:
        reader: of their images.
        columns: that reading adds to rows.
        hide_query: which values of a URL's query the final URL hides.
    """

    reader: ImageReader
    columns: ReadColumns = NO_READ_COLUMNS
    hide_query: HideQuery = "secret"

    def decoded(self, shard: Shard) -> DecodedShard:
        """Return the pictures of a shard, and a failure for each image that was not decoded."""
        images, locations = _located(shard)
        read = self.reader.read(locations)
        outcomes: list[Outcome] = [
            each if isinstance(each, ImageError) else (each.width, each.height)
            for each in read.outcomes
        ]
        rows = self._sort(shard, images, outcomes, read)
        pixels = read.pixels if len(rows.places) == len(images) else read.pixels[rows.places]
        return DecodedShard(shard.id, *rows.named, pixels, rows.failures, read.costs)

    def answered(self, shard: Shard, task: PictureTask) -> AnsweredShard:
        """Return the answers of a task that the decoding processes run, likewise."""
        images, locations = _located(shard)
        read = self.reader.answers(locations, task)
        rows = self._sort(shard, images, read.outcomes, read)
        values = read.values if len(rows.places) == len(images) else read.values[rows.places]
        return AnsweredShard(shard.id, *rows.named, values, rows.failures, read.costs)

    def _sort(
        self,
        shard: Shard,
        images: Sequence[ListedImage],
        outcomes: Sequence[Outcome],
        read: ReadBytes,
    ) -> "_Rows":
        failures = [
            Failure.of(image.uri, image.location, self._extra(image))
            for image in shard.images
            if isinstance(image.location, ImageError)
        ]
        places: list[int] = []
        sizes: list[tuple[int, int]] = []
        for row, (image, outcome) in enumerate(zip(images, outcomes, strict=True)):
            if isinstance(outcome, ImageError):
                failures.append(Failure.of(image.uri, outcome, self._extra(image, read, row)))
            else:
                places.append(row)
                sizes.append(outcome)
        widths, heights = np.array(sizes, np.int32).reshape(-1, 2).T
        names = [images[row].uri for row in places]
        extra = [self._extra(images[row], read, row) for row in places]
        return _Rows(places, _Named(names, extra, widths, heights), tuple(failures))

    def _extra(
        self, image: ListedImage, read: ReadBytes | None = None, row: int = 0
    ) -> tuple[Any, ...]:
        columns = self.columns
        if not (columns.digest or columns.final_url):
            return image.extra_columns
        added: list[str | None] = []
        if columns.digest:
            has_digest = read is not None and read.digests[row].any()
            added.append(read.digests[row].tobytes().hex() if read and has_digest else None)
        if columns.final_url:
            url = read.final_urls[row] if read is not None else ""
            added.append(uris.without_secrets(url, self.hide_query) if url else None)
        return (*(image.extra_columns or (None,) * columns.listed), *added)


class _Named(NamedTuple):
    uris: list[str]
    extra_columns: list[tuple[Any, ...]]
    widths: npt.NDArray[np.int32]
    heights: npt.NDArray[np.int32]


class _Rows(NamedTuple):
    places: list[int]
    named: _Named
    failures: tuple[Failure, ...]


def _located(shard: Shard) -> tuple[list[ListedImage], list[ImageLocation]]:
    """Return the images that listing could locate, and where they are."""
    images = []
    locations = []
    for image in shard.images:
        if not isinstance(image.location, ImageError):
            images.append(image)
            locations.append(image.location)
    return images, locations
