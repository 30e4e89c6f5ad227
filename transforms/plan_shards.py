"""Page → Shard."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from math import ceil, isqrt

import apache_beam as beam
from apache_beam.typehints.decorators import no_annotations

from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ListedImage
from imagebeam.outputs.account import Plan
from imagebeam.outputs.run_token import RunToken
from imagebeam.transforms.elements import Page, Shard

_MIN_IMAGES_PER_SHARD = 32
"""Fewer images per shard would cost more in files than in work. Shards have a multiple of it: a
module runs on whole batches, and the last of a shard would often be half empty."""

_MAX_SHARD_BYTES = 16_000_000
"""Limit for pixels or outputs: a worker thread holds the shard that it writes and the next two."""


@dataclass
class PlanShards(beam.PTransform):
    """Groups neighbouring images of an input into shards.

    Positions are fixed by the inputs, so a retried stage plans the same shards. Members of a
    container that is read from its start stay together over several shards, which one worker
    processes in order, so the container is decompressed once. No shard starts before the plan is
    written to the output, where progress displays read it. Shuffles each URI once, many per
    element.

    Attributes:
        run: the run that owns the output.
        held_bytes: the bytes of one image that a worker process holds until the shard is written.
        images_per_shard: None derives it from the number of images to do.
    """

    run: RunToken
    held_bytes: int
    images_per_shard: int | None = None

    @no_annotations  # Beam takes hints only from a single PCollection.
    def expand(
        self, inputs: tuple[beam.PCollection[Page], beam.PCollection[Plan]]
    ) -> beam.PCollection[Shard]:
        """Group the images of the pages, given the one `Plan`."""
        pages, plan = inputs
        plan = plan | "WritePlan" >> beam.Map(_write_plan, self.run)
        sizes = (beam.pvalue.AsSingleton(plan), self.held_bytes, self.images_per_shard)
        return (
            pages
            | "KeyByPosition" >> beam.FlatMap(key_by_position, *sizes)
            | "GroupIntoShards" >> beam.GroupByKey()
            | "MakeShards" >> beam.FlatMap(make_shards, *sizes).with_output_types(Shard)
        )


def _write_plan(plan: Plan, run: RunToken) -> Plan:
    run.check()
    plan.write(run.layout)
    return plan


def shard_size(images: int, held_bytes: int) -> int:
    """Return the images per shard: small jobs spread over workers, large jobs make few files."""
    most = max(_MIN_IMAGES_PER_SHARD, _MAX_SHARD_BYTES // held_bytes)
    wanted = max(1, ceil(2 * isqrt(images) / _MIN_IMAGES_PER_SHARD)) * _MIN_IMAGES_PER_SHARD
    return min(most, wanted)


def key_by_position(
    page: Page, plan: Plan, held_bytes: int, images_per_shard: int | None
) -> Iterator[tuple[tuple[int, int], Page]]:
    """Split a page into runs of images under the keys that neighbours share."""
    size = images_per_shard or shard_size(plan.to_do, held_bytes)

    def group_number(image: ListedImage) -> int:
        together = 1 if isinstance(image.location, ImageError) else image.location.read_together
        return image.ordinal // (size * ceil(together / size))

    for number, images in groupby(page.images, key=group_number):
        yield (page.source, number), Page(page.source, page.number, tuple(images))


def make_shards(
    group: tuple[tuple[int, int], Iterable[Page]],
    plan: Plan,
    held_bytes: int,
    images_per_shard: int | None,
) -> Iterator[Shard]:
    """Yield the shards of images that share a key, in their order."""
    size = images_per_shard or shard_size(plan.to_do, held_bytes)
    pages = chain.from_iterable(page.images for page in group[1])
    images = sorted(pages, key=lambda image: image.ordinal)
    for _, shard in groupby(images, key=lambda image: image.ordinal // size):
        members = tuple(shard)
        yield Shard(shard_id(image.uri for image in members), members)


def shard_id(uris: Iterable[str]) -> str:
    """Return 32 hexadecimal digits that depend on the set of URIs but not on their order."""
    digest = hashlib.blake2b(digest_size=16)
    for uri in sorted(uris):
        # The length keeps two lists of names from running together into the same bytes.
        encoded = uri.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()
