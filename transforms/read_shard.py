"""Read the images of one shard; each ends in a row of arrays or in a failure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.images import uris
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.reading.decoded_batch import Outcome
from imagebeam.images.reading.picture_task import PictureTask
from imagebeam.images.reading.reader import ImageReader, ReadBytes
from imagebeam.images.settings import NO_READ_COLUMNS, ReadColumns
from imagebeam.storage.secrets import HideQuery
from imagebeam.transforms.elements import DecodedShard, Failure, ReadShard, Shard


@dataclass(frozen=True)
class ShardReader:
    """Reads shards.

    Attributes:
        columns: the columns that reading adds to rows.
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
        rows, result = self._sort(shard, images, outcomes, read)
        pixels = read.pixels if len(rows) == len(images) else read.pixels[rows]
        return DecodedShard(**vars(result), pixels=pixels)

    def answered(
        self, shard: Shard, task: PictureTask
    ) -> tuple[ReadShard, npt.NDArray[np.float32]]:
        """Return the answers of a task that the decoding processes run, likewise."""
        images, locations = _located(shard)
        read = self.reader.answers(locations, task)
        rows, result = self._sort(shard, images, read.outcomes, read)
        return result, read.values if len(rows) == len(images) else read.values[rows]

    def _sort(
        self,
        shard: Shard,
        images: Sequence[ListedImage],
        outcomes: Sequence[Outcome],
        read: ReadBytes,
    ) -> tuple[list[int], ReadShard]:
        """Return the rows that were read, and the shard with them."""
        failures = [
            Failure.of(image.uri, image.location, self._extra(image))
            for image in shard.images
            if isinstance(image.location, ImageError)
        ]
        rows: list[int] = []
        sizes: list[tuple[int, int]] = []
        for row, (image, outcome) in enumerate(zip(images, outcomes, strict=True)):
            if isinstance(outcome, ImageError):
                failures.append(Failure.of(image.uri, outcome, self._extra(image, read, row)))
            else:
                rows.append(row)
                sizes.append(outcome)
        widths, heights = np.array(sizes, np.int32).reshape(-1, 2).T
        return rows, ReadShard(
            id=shard.id,
            uris=[images[row].uri for row in rows],
            extra_columns=[self._extra(images[row], read, row) for row in rows],
            widths=widths,
            heights=heights,
            failures=tuple(failures),
            costs=read.costs,
        )

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


def _located(shard: Shard) -> tuple[list[ListedImage], list[ImageLocation]]:
    """Return the images that listing could locate, and where they are."""
    images = []
    locations = []
    for image in shard.images:
        if not isinstance(image.location, ImageError):
            images.append(image)
            locations.append(image.location)
    return images, locations
