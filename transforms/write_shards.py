"""ScoredShard → ShardReport."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

import apache_beam as beam

from imagebeam.images.stage_times import Meter
from imagebeam.outputs.account import Tally
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.transforms.elements import ScoredShard, ShardReport
from imagebeam.transforms.lineage import report_output


@dataclass
class WriteShards(beam.PTransform):
    """Writes the rows of each shard; its files appear complete or not at all.

    A shard that is processed again replaces its own files. Once a later run has claimed the
    output, the shards of this run fail. Shuffles nothing.

    Attributes:
        run: the run that owns the output.
        schema: the schema of the rows of labelled images.
    """

    run: RunToken
    schema: PredictionSchema

    def expand(self, shards: beam.PCollection[ScoredShard]) -> beam.PCollection[ShardReport]:
        """Write all shards."""
        write = _WriteFn(self.run, self.schema)
        return shards | beam.ParDo(write).with_output_types(ShardReport)


class _WriteFn(beam.DoFn):
    def __init__(self, run: RunToken, schema: PredictionSchema) -> None:
        self._run = run
        self._schema = schema

    def process(self, shard: ScoredShard) -> Iterator[ShardReport]:
        self._run.check()
        report_output(self._run.layout)
        now = datetime.now(timezone.utc)
        yield write_shard(shard, self._run.layout, self._schema, self._run.id, now)


def write_shard(
    shard: ScoredShard,
    layout: Layout,
    schema: PredictionSchema,
    run_id: str = "",
    now: datetime = datetime.min,
) -> ShardReport:
    """Write the rows of one shard and report the outcome of its images.

    `run_id` and `now` are the values of the columns `run_id` and `labelled_at`, if the schema has
    them.
    """
    meter = Meter()
    kept = schema.with_run(shard.extra_columns, run_id, now)
    of_failures = schema.with_run([each.extra_columns for each in shard.failures], run_id, now)
    failures = [
        failure._replace(extra_columns=columns)
        for failure, columns in zip(shard.failures, of_failures, strict=True)
    ]
    outputs = shard.outputs
    with meter.stage("write"):
        rows = schema.table(
            shard.uris,
            shard.widths,
            shard.heights,
            outputs.scores,
            outputs.logits,
            outputs.features,
            kept,
        )
        write_part(layout, shard.id, rows, schema.errors(failures))
    tally = Tally(
        shards=1,
        labelled=len(shard.uris),
        failed=Counter(failure.code for failure in shard.failures),
        costs={**shard.costs, **meter.costs},
    )
    return ShardReport(shard.id, tally)
