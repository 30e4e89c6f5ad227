"""Page → Shard."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from math import ceil, isqrt
from typing import Any

import apache_beam as beam

from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ListedImage
from imagebeam.outputs.account import Plan
from imagebeam.outputs.run_token import RunToken
from imagebeam.transforms.elements import Page, Shard

_FEWEST = 32
"""Images in a shard: fewer would cost more in files than in work."""

_MOST_PIXELS = 16_000_000
"""Bytes of decoded pixels in a shard: a worker thread holds one that it scores and two to come."""


@dataclass
class PlanShards(beam.PTransform):
    """Gathers neighbours, by input and place, into shards.

    Places are fixed by the inputs, so a retried stage plans the same shards. Members of a container
    that is read from its start stay together over many shards, which one worker does in their
    order: it is decompressed once. No shard starts before the plan stands in the output, where
    those who watch read it. Shuffles URIs once, many an element.

    Attributes:
        plan: PCollection of the one Plan.
        run: whose output the plan is written to.
        image_bytes: of one decoded picture.
        images_per_shard: None chooses it from the number of images to do.
    """

    plan: Any
    run: RunToken
    image_bytes: int
    images_per_shard: int | None = None

    def expand(self, pages: Any) -> Any:
        """PCollection of Page → PCollection of Shard."""
        written = self.plan | "Write plan" >> beam.Map(_written, self.run)
        return (
            pages
            | "By place"
            >> beam.FlatMap(
                by_place, beam.pvalue.AsSingleton(written), self.image_bytes, self.images_per_shard
            )
            | "Gather" >> beam.GroupByKey()
            | "Make shards"
            >> beam.FlatMap(
                make_shards,
                beam.pvalue.AsSingleton(written),
                self.image_bytes,
                self.images_per_shard,
            ).with_output_types(Shard)
        )


def _written(plan: Plan, run: RunToken) -> Plan:
    run.check()
    plan.write(run.layout)
    return plan


def shard_size(images: int, image_bytes: int) -> int:
    """Images a shard for a job of this many: small jobs spread, large ones make few files."""
    most = max(_FEWEST, _MOST_PIXELS // image_bytes)
    return min(most, max(_FEWEST, 2 * isqrt(images)))


def by_place(
    page: Page, plan: Plan, image_bytes: int, images_per_shard: int | None
) -> Iterator[tuple[tuple[int, int], Page]]:
    """Split a page into runs of images under the keys that neighbours share."""
    size = images_per_shard or shard_size(plan.to_do, image_bytes)

    def place(image: ListedImage) -> int:
        together = 1 if isinstance(image.location, ImageError) else image.location.read_together
        return image.ordinal // (size * ceil(together / size))

    for number, images in groupby(page.images, key=place):
        yield (page.source, number), Page(page.source, page.number, tuple(images))


def make_shards(
    group: tuple[tuple[int, int], Iterable[Page]],
    plan: Plan,
    image_bytes: int,
    images_per_shard: int | None,
) -> Iterator[Shard]:
    """Make shards of images that share a key, in their order."""
    size = images_per_shard or shard_size(plan.to_do, image_bytes)
    found = chain.from_iterable(page.images for page in group[1])
    images = sorted(found, key=lambda image: image.ordinal)
    for _, shard in groupby(images, key=lambda image: image.ordinal // size):
        members = tuple(shard)
        yield Shard(shard_id(image.uri for image in members), members)


def shard_id(uris: Iterable[str]) -> str:
    """32 hexadecimal digits that only these URIs have, in whatever order."""
    digest = hashlib.blake2b(digest_size=16)
    for uri in sorted(uris):
        # With its length: no two lists of names run together into the same text.
        encoded = uri.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()
