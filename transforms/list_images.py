"""INPUTs → Page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import apache_beam as beam

from imagebeam.images.listing.sources import Source
from imagebeam.images.stage_times import Meter
from imagebeam.transforms.elements import PAGE_SIZE, ImageRef, Page


@dataclass
class ListImages(beam.PTransform):
    """Names every image that the inputs stand for, one `ImageRef` a name, page by page.

    A name that two inputs share comes twice; what cannot be listed comes as a ref with a
    problem, so that nothing is left out in silence. Shuffles the sources, not the images, to
    list many inputs side by side.

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
    refs = _refs(index, source)
    for number in count():
        meter = Meter()
        with meter.stage("list"):
            page = tuple(islice(refs, PAGE_SIZE))
        if not page:
            return
        yield Page(index, number, page, meter.costs)


def _refs(index: int, source: Source) -> Iterator[ImageRef]:
    for ordinal, listed in enumerate(source):
        error = listed.problem
        problem = None if error is None else (error.code, str(error))
        yield ImageRef(listed.uri, index, ordinal, problem, listed.where, listed.kept)
