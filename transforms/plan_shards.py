"""ImageRef → Shard."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from math import isqrt
from typing import Any

import apache_beam as beam

from results.account import Plan
from results.run import Run
from transforms.records import ImageRef, Shard

_FEWEST = 32
"""Images in a shard: fewer would cost more in files than in work."""

_MOST_PIXELS = 64_000_000
"""Bytes of decoded pixels in a shard: a worker thread holds one that it scores and the next."""


@dataclass
class PlanShards(beam.PTransform):
    """Gathers neighbours, by input and place, into shards.

    Places are fixed by the inputs, so a retried stage plans the same shards. No shard starts
    before the plan stands in the output, where those who watch read it. Shuffles URIs once.

    Attributes:
        plan: PCollection of the one Plan.
        run: whose output the plan is written to.
        image_bytes: of one decoded picture.
        images_per_shard: None chooses it from the number of images to do.
    """

    plan: Any
    run: Run
    image_bytes: int
    images_per_shard: int | None = None

    def expand(self, refs: Any) -> Any:
        """PCollection of ImageRef → PCollection of Shard."""
        written = self.plan | "Write plan" >> beam.Map(_written, self.run)
        return (
            refs
            | "By place"
            >> beam.Map(
                place, beam.pvalue.AsSingleton(written), self.image_bytes, self.images_per_shard
            )
            | "Gather" >> beam.GroupByKey()
            | "Make shards" >> beam.MapTuple(make_shard).with_output_types(Shard)
        )


def _written(plan: Plan, run: Run) -> Plan:
    run.check()
    plan.write(run.layout)
    return plan


def shard_size(images: int, image_bytes: int) -> int:
    """Images a shard for a job of this many: small jobs spread, large ones make few files."""
    most = max(_FEWEST, _MOST_PIXELS // image_bytes)
    return min(most, max(_FEWEST, 2 * isqrt(images)))


def place(
    ref: ImageRef, plan: Plan, image_bytes: int, images_per_shard: int | None
) -> tuple[tuple[int, int], tuple[Any, ...]]:
    """The ref under the key that its neighbours share."""
    size = images_per_shard or shard_size(plan.to_do, image_bytes)
    return (ref.source, ref.ordinal // size), tuple(ref)


def make_shard(_place: tuple[int, int], refs: Iterable[tuple[Any, ...]]) -> Shard:
    """The shard of refs that share a place."""
    ordered = sorted((ImageRef(*ref) for ref in refs), key=lambda ref: (ref.source, ref.ordinal))
    return Shard(shard_id(ref.uri for ref in ordered), tuple(ordered))


def shard_id(uris: Iterable[str]) -> str:
    """32 hexadecimal digits that only these URIs have, in whatever order."""
    digest = hashlib.blake2b(digest_size=16)
    for uri in sorted(uris):
        # With its length: no two lists of names run together into the same text.
        encoded = uri.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()
