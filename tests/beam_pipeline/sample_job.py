"""A job for tests of the pipeline and of what is sent with it."""

from collections.abc import Sequence
from pathlib import Path

from imagebeam.beam_pipeline.pipeline import Job
from imagebeam.images.listing.sources import Source
from imagebeam.images.settings import DecodeLimits, Preprocessing
from imagebeam.modules.open_module import open_module
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.samples import MODULE


def sample_job(output: Path, sources: Sequence[Source]) -> Job:
    """Return a job with the embedded module, which emits labels and has not started."""
    module = open_module(str(MODULE))
    return Job(
        sources=sources,
        run=RunToken(Layout(output)),
        images_per_shard=None,
        preprocessing=Preprocessing(module.info.image_size),
        decode_processes=1,
        decode_limits=DecodeLimits(),
        module=module,
        schema=PredictionSchema(("labels",), 1, None, {}),
        provenance={},
    )
