"""The job on one screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam

from imagebeam.images.listing.sources import Source
from imagebeam.images.settings import (
    NO_READ_COLUMNS,
    Access,
    DecodeLimits,
    Preprocessing,
    ReadColumns,
)
from imagebeam.images.stage_times import StageTimes
from imagebeam.modules.staging import module_bytes
from imagebeam.modules.types import TENSORFLOW, StagedModule
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import PredictionSchema, heads_of
from imagebeam.scoring.module_task import answer_bytes
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
    """Everything that the workers need to know.

    Attributes:
        sources: the inputs to list.
        run: the run that owns the output.
        images_per_shard: None derives it from the number of images.
        preprocessing: how pictures become the input of the module.
        decode_processes: decoding processes per worker; None for as many as fit.
        decode_limits: time and memory that one image may take.
        module: the module to run; workers can read its path.
        schema: the schema of the rows of labelled images.
        provenance: facts about the job for the summary.
        access: how images are reached that are not local files.
        worker_cores: cores per worker process; None for all that it may use.
        read_columns: the columns that reading adds to rows.
    """

    sources: Sequence[Source]
    run: RunToken
    images_per_shard: int | None
    preprocessing: Preprocessing
    decode_processes: int | None
    decode_limits: DecodeLimits
    module: StagedModule
    schema: PredictionSchema
    provenance: Mapping[str, Any]
    access: Access = field(default_factory=Access)
    worker_cores: int | None = None
    read_columns: ReadColumns = NO_READ_COLUMNS

    @property
    def layout(self) -> Layout:
        """The layout of the output."""
        return self.run.layout

    @property
    def held_bytes(self) -> int:
        """The bytes of an image that a worker process holds: its pixels, or the outputs."""
        if self.module.engine == TENSORFLOW:
            return self.preprocessing.image_bytes
        return answer_bytes(self.module.info, heads_of(self.schema.emit))


def decoding(job: Job) -> DecodeImages:
    """Return the step that decodes the images of a job."""
    return DecodeImages(
        job.preprocessing,
        job.decode_processes,
        job.decode_limits,
        job.access,
        job.worker_cores,
        job.read_columns,
        module_bytes=module_bytes(job.module),
    )


def build(
    pipeline: beam.Pipeline,
    job: Job,
    startup_times: StageTimes | None = None,
    decode: DecodeImages | None = None,
) -> beam.PCollection[dict[str, Any]]:
    """Add the job to a pipeline; returns a PCollection of the one summary."""
    listed = pipeline | ListImages(job.sources, job.layout)
    pages, plan, earlier_parts = listed | SkipDone(job.layout, job.provenance)
    reports = (
        (pages, plan)
        | PlanShards(job.run, job.held_bytes, job.images_per_shard)
        | (decode or decoding(job))
        | RunModule(job.module, cores=job.worker_cores, heads=heads_of(job.schema.emit))
        | WriteShards(job.run, job.schema)
    )
    return (reports, plan, earlier_parts) | Summarise(
        job.run, job.provenance, startup_times or {}, job.preprocessing.digest
    )
