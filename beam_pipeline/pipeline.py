"""The job on one screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam

from imagebeam.images.listing.sources import Source
from imagebeam.images.reading.decoding_process import DecodeLimits
from imagebeam.images.settings import Access, Preprocessing
from imagebeam.images.stage_times import StageTimes
from imagebeam.modules import StagedModule
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.transforms import (
    DecodeImages,
    ListImages,
    PlanShards,
    RunModule,
    SkipDone,
    Summarise,
    WriteShards,
)


@dataclass(frozen=True)
class Job:
    """Everything that the workers are told.

    Attributes:
        sources: what to list.
        run: it owns the output.
        images_per_shard: None chooses it from the number of images.
        preprocessing: how pictures become the module's input.
        decode_processes: in each worker.
        decode_limits: what one image may cost.
        module: what labels them; its path is one that workers can read.
        schema: what a labelled image's row holds.
        provenance: what the summary says of the job besides its numbers.
        access: how images are reached that are no local files.
        worker_cores: that each worker process has; None for all of its machine.
        before: what was spent before the pipeline.
    """

    sources: Sequence[Source]
    run: RunToken
    images_per_shard: int | None
    preprocessing: Preprocessing
    decode_processes: int
    decode_limits: DecodeLimits
    module: StagedModule
    schema: PredictionSchema
    provenance: Mapping[str, Any]
    access: Access = field(default_factory=Access)
    worker_cores: int | None = None
    before: StageTimes = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """Where rows go, and what counts as done."""
        return self.run.layout


def build(pipeline: beam.Pipeline, job: Job) -> Any:
    """Add the whole job to a pipeline; the last step's answer is one summary."""
    refs = pipeline | ListImages(job.sources)
    to_do, plan, found = refs | SkipDone(job.layout)
    reports = (
        to_do
        | PlanShards(plan, job.run, job.preprocessing.image_bytes, job.images_per_shard)
        | DecodeImages(job.preprocessing, job.decode_processes, job.decode_limits, job.access)
        | RunModule(job.module, cores=job.worker_cores)
        | WriteShards(job.run, job.schema)
    )
    return reports | Summarise(plan, found, job.run, job.provenance, job.before)
