"""INPUTs → Page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import apache_beam as beam

from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.sources import Source
from imagebeam.images.stage_times import Meter
from imagebeam.transforms.elements import PAGE_SIZE, Page


@dataclass
class ListImages(beam.PTransform):
    """Names every image that the inputs stand for, one `ListedImage` per name, in pages.

    A name that two inputs share comes twice; what cannot be listed comes as an image whose
    location is an error. Shuffles the sources, not the images, to list many inputs side by side.

    Attributes:
        sources: what `imagebeam.images.listing.inputs.sources` made of the command line.
    """

    sources: Sequence[Source]

    def expand(self, pipeline: Any) -> Any:
        """Pipeline → PCollection of Page."""
        return (
            pipeline
            | beam.Create(list(enumerate(self.sources)), reshuffle=False)
            | beam.Reshuffle()
            | "Expand" >> beam.FlatMapTuple(list_source).with_output_types(Page)
        )


def list_source(index: int, source: Source) -> Iterator[Page]:
    """The images of one source, numbered in its fixed order."""
    left_out = LeftOut()
    found = source.images(left_out)
    images = (image._replace(ordinal=ordinal) for ordinal, image in enumerate(found))
    for number in count():
        meter = Meter()
        with meter.stage("list"):
            page = tuple(islice(images, PAGE_SIZE))
        counts = left_out.take()
        if page or counts:
            yield Page(index, number, page, meter.costs, counts)
        if len(page) < PAGE_SIZE:
            return
