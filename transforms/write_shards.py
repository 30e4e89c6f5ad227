"""ScoredShard → ShardReport."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from imagebeam.images.stage_times import Meter
from imagebeam.outputs.account import Tally
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.transforms.elements import ScoredShard, ShardReport


@dataclass
class WriteShards(beam.PTransform):
    """Writes each shard's rows, at once and whole.

    A shard that is done again replaces its own files. Once a later run has taken the output
    over, this one's shards fail. Shuffles nothing.

    Attributes:
        run: whose output it is.
        schema: what a labelled image's row holds.
    """

    run: RunToken
    schema: PredictionSchema

    def expand(self, shards: Any) -> Any:
        """PCollection of ScoredShard → PCollection of ShardReport."""
        write = _WriteFn(self.run, self.schema)
        return shards | beam.ParDo(write).with_output_types(ShardReport)


class _WriteFn(beam.DoFn):
    def __init__(self, run: RunToken, schema: PredictionSchema) -> None:
        self._run = run
        self._schema = schema

    def process(self, shard: ScoredShard) -> Iterator[ShardReport]:
        self._run.check()
        yield write_shard(shard, self._run.layout, self._schema)


def write_shard(shard: ScoredShard, layout: Layout, schema: PredictionSchema) -> ShardReport:
    """Write the rows of one shard and say what became of its images."""
    meter = Meter()
    found = shard.answers
    with meter.stage("write"):
        rows = schema.table(
            shard.uris,
            shard.widths,
            shard.heights,
            found.scores,
            found.logits,
            found.features,
            shard.extra_columns,
        )
        write_part(layout, shard.id, rows, schema.errors(shard.failures))
    tally = Tally(
        shards=1,
        labelled=len(shard.uris),
        failed=Counter(failure.code for failure in shard.failures),
        costs={**shard.costs, **meter.costs},
    )
    return ShardReport(shard.id, tally)
