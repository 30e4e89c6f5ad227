"""ScoredShard → ShardReport."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from images.costs import Meter
from results.account import Tally
from results.layout import Layout
from results.parts import write_part
from results.schema import PredictionSchema
from transforms.records import ScoredShard, ShardReport


@dataclass
class WriteShards(beam.PTransform):
    """Writes each shard's rows, at once and whole.

    A shard that is done again replaces its own files. Shuffles nothing.

    Attributes:
        layout: of the output.
        schema: what a labelled image's row holds.
    """

    layout: Layout
    schema: PredictionSchema

    def expand(self, shards: Any) -> Any:
        """PCollection of ScoredShard → PCollection of ShardReport."""
        write = _WriteFn(self.layout, self.schema)
        return shards | beam.ParDo(write).with_output_types(ShardReport)


class _WriteFn(beam.DoFn):
    def __init__(self, layout: Layout, schema: PredictionSchema) -> None:
        self._layout = layout
        self._schema = schema

    def process(self, shard: ScoredShard) -> Iterator[ShardReport]:
        yield write_shard(shard, self._layout, self._schema)


def write_shard(shard: ScoredShard, layout: Layout, schema: PredictionSchema) -> ShardReport:
    """Write the rows of one shard and say what became of its images."""
    meter = Meter()
    found = shard.answers
    with meter.stage("write"):
        rows = schema.table(
            shard.uris, shard.widths, shard.heights, found.scores, found.logits, found.features
        )
        write_part(layout, shard.id, rows, shard.failures)
    tally = Tally(
        shards=1,
        labelled=len(shard.uris),
        failed=Counter(failure.code for failure in shard.failures),
        costs={**shard.costs, **meter.costs},
    )
    return ShardReport(shard.id, tally)
