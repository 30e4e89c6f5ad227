"""Sources → Page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

import apache_beam as beam

from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.sources import Source
from imagebeam.images.stage_times import Meter
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.listing_count import ListingCount
from imagebeam.transforms.elements import PAGE_SIZE, Page
from imagebeam.transforms.lineage import report_source


@dataclass
class ListImages(beam.PTransform):
    """Lists every image of the inputs, as pages of one `ListedImage` per name.

    A name that two inputs list appears twice. An entry that cannot be listed becomes an image
    whose location is an error, so that nothing is left out silently. Shuffles the sources, not the
    images, so that several inputs are listed in parallel.

    Attributes:
        sources: made by `imagebeam.images.listing.inputs.sources` from the command line.
        layout: the layout of the output in which a long listing keeps its count; None keeps none.
    """

    sources: Sequence[Source]
    layout: Layout | None = None

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection[Page]:
        """List the images of all sources."""
        return (
            pipeline
            | beam.Create(list(enumerate(self.sources)), reshuffle=False)
            | beam.Reshuffle()
            | "ListPages" >> beam.FlatMapTuple(list_source, self.layout).with_output_types(Page)
        )


def list_source(index: int, source: Source, layout: Layout | None = None) -> Iterator[Page]:
    """Yield the images of one source, numbered in its fixed order; count them in an output."""
    report_source(source)
    counted = None if layout is None else ListingCount(layout, index)
    left_out = LeftOut()
    found = source.images(left_out) if counted is None else source.images(left_out, counted.found)
    images = (image._replace(ordinal=ordinal) for ordinal, image in enumerate(found))
    for number in count():
        meter = Meter()
        with meter.stage("list"):
            page = tuple(islice(images, PAGE_SIZE))
        if counted is not None:
            counted.add(len(page))
        counts = left_out.take()
        if page or counts:
            yield Page(index, number, page, meter.costs, counts)
        if len(page) < PAGE_SIZE:
            return
