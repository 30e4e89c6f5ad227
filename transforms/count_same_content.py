"""Files of the output → SameContent."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np

from imagebeam.outputs.same_content import DIGEST, SameContent, digests
from imagebeam.storage import location


@dataclass
class CountSameContent(beam.PTransform):
    """Counts the images of an output whose bytes are those of another image.

    All digests are read from the files, so images of earlier runs count too. Shuffles 32 bytes per
    image, as a few hundred elements per file.

    Attributes:
        column: the column that holds the digests.
    """

    column: str

    def expand(self, files: beam.PCollection[str]) -> beam.PCollection[SameContent]:
        """Count them, given the names of all files."""
        return (
            files
            | "ReshuffleFiles" >> beam.Reshuffle()
            | "ReadDigests" >> beam.FlatMap(read_digests, self.column)
            | "GroupDigests" >> beam.GroupByKey()
            | "CountEqual" >> beam.MapTuple(count_equal)
            | "AddUpEqual" >> beam.CombineGlobally(SameContent.total)
        )


def read_digests(part: str, column: str) -> Iterator[tuple[int, bytes]]:
    """Yield the digests of one file, joined, by their first byte: equal ones come together."""
    for found in digests(location(part), column):
        first_bytes = found.view(np.uint8).reshape(-1, found.itemsize)[:, 0]
        for first in np.unique(first_bytes):
            yield int(first), found[first_bytes == first].tobytes()


def count_equal(_first: int, joined: Iterable[bytes]) -> SameContent:
    """Count the equal ones among the digests that share their first byte."""
    return SameContent.of(np.frombuffer(b"".join(joined), DIGEST))
