"""Decode and label a sample of the images, as the job would."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imagebeam import resources
from imagebeam.beam_pipeline import job_identity
from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.options import LabelOptions
from imagebeam.beam_pipeline.reporting.progress import failure_counts
from imagebeam.beam_pipeline.runners.watchdog import FailureLimit
from imagebeam.evaluation.accuracy import wilson_interval
from imagebeam.images.errors import CODES, ImageError
from imagebeam.images.listed_image import ListedImage
from imagebeam.images.reading.reader import ImageReader
from imagebeam.images.reading.shared_pixels import SLOTS
from imagebeam.images.settings import DecodeLimits
from imagebeam.images.stage_times import StageTime, total
from imagebeam.modules.engines import load_engine
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.types import Module
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.outputs.space import encoded_bytes


@dataclass(frozen=True)
class Sample:
    """The results of a sample.

    Attributes:
        images: number of images tried.
        failed: number of images without pixels, by error code.
        fetch: time for fetching all of them.
        decode: time for decoding all of them.
        infer_cpu: CPU seconds of the module for the decoded ones.
        row_bytes: size of one row of predictions in a file; None if nothing was decoded.
    """

    images: int
    failed: Counter[str]
    fetch: StageTime
    decode: StageTime
    infer_cpu: float
    row_bytes: float | None = None

    @property
    def labelled(self) -> int:
        """The number of images with a label."""
        return self.images - self.failed.total()


def take(
    chosen: Sequence[ListedImage], options: LabelOptions, module: Module, seconds: float
) -> Sample:
    """Decode and label images until the time limit."""
    engine = load_engine(module.engine, module.path, module.info)
    preprocessing = options.preprocessing(module.info.image_size)
    limits = DecodeLimits(min(options.decode_seconds, seconds), options.decode_memory)
    processes = options.decode_processes or resources.available().decode_processes()
    reader = ImageReader(preprocessing, processes, limits, options.access)
    deadline = time.monotonic() + seconds
    images = 0
    failed: Counter[str] = Counter()
    costs = []
    infer = 0.0
    row_bytes = None
    step = SLOTS * processes
    try:
        for start in range(0, len(chosen), step):
            part = chosen[start : start + step]
            reading = reader.read(
                [each.location for each in part if not isinstance(each.location, ImageError)]
            )
            errors = [each for each in reading.outcomes if isinstance(each, ImageError)]
            failed.update(error.code for error in errors)
            rows = [
                row
                for row, outcome in enumerate(reading.outcomes)
                if not isinstance(outcome, ImageError)
            ]
            if rows:
                began = time.process_time()
                outputs = engine.run(reading.pixels[rows])
                infer += time.process_time() - began
                if row_bytes is None:
                    names = [part[row].uri for row in rows]
                    row_bytes = _row_bytes(names, outputs, options, module)
            images += len(part)
            costs.append(reading.costs)
            if time.monotonic() > deadline:
                break
    finally:
        reader.close()
    spent = total(costs)
    return Sample(
        images,
        failed,
        spent.get("fetch", StageTime()),
        spent.get("decode", StageTime()),
        infer,
        row_bytes,
    )


def _row_bytes(
    names: Sequence[str], outputs: ModelOutputs, options: LabelOptions, module: Module
) -> float:
    """The size of one row in a file, without the columns of --keep."""
    class_names = job_identity.class_names(options, module)
    schema = PredictionSchema(options.emit, options.top_k, class_names, {})
    sides = np.zeros(len(names), np.int32)
    vectors = (outputs.scores, outputs.logits, outputs.features)
    return encoded_bytes(schema.table(names, sides, sides, *vectors)) / len(names)


def failure_finding(sample: Sample, allowed: FailureLimit) -> Finding:
    """Estimate from the sample the share of images that will fail."""
    failed = sample.failed.total()
    low, high = wilson_interval(failed, sample.images)
    facts = {
        "images": sample.images,
        "failed": dict(sample.failed),
        "failure_rate": failed / sample.images,
        "failure_rate_interval": [low, high],
    }
    message = (
        f"{failed:,} of {sample.images:,} randomly chosen images failed "
        f"(95 % interval {low:.1%} to {high:.1%} of all)"
    )
    if not failed:
        return Finding("sample", FindingState.OK, message, facts)
    worst = CODES[sample.failed.most_common(1)[0][0]]
    message += f": {failure_counts(sample.failed)}. {worst.code}: {worst.cause} {worst.fix}"
    if allowed.exceeded(failed, sample.images) and allowed.count is None:
        message += " So many failures would end the job with exit code 1: see --max-failure-rate."
        return Finding("sample", FindingState.FAILURE, message, facts)
    return Finding("sample", FindingState.WARNING, message, facts)
