"""A stream whose module changes between two images."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelMetadata
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import FixedWindows, TimestampedValue

_SECONDS = 10


@contextmanager
def changing_module(
    image: Any, *modules: str
) -> Iterator[tuple[beam.PCollection[Any], beam.PCollection[ModelMetadata]]]:
    """Run a streaming pipeline that gets `image` once for each module, while that is current.

    Yields:
        The images and the module metadata, each in windows of ten seconds.
    """
    stream = TestStream()
    for number, module in enumerate(modules):
        start = number * _SECONDS
        metadata = TimestampedValue(ModelMetadata(module, f"module-{number}"), start)
        stream = (
            stream.advance_watermark_to(start, tag="modules")
            .advance_watermark_to(start, tag="images")
            .add_elements([TimestampedValue(image, start + 1)], tag="images")
            .add_elements([metadata], tag="modules")
        )
    for tag in ("modules", "images"):
        stream = stream.advance_watermark_to_infinity(tag=tag)
    options = PipelineOptions(["--streaming"])
    with beam.Pipeline(BundleBasedDirectRunner(), options=options) as pipeline:
        events = pipeline | stream
        windows = [
            events[tag] | f"Windows of {tag}" >> beam.WindowInto(FixedWindows(_SECONDS))
            for tag in ("images", "modules")
        ]
        yield windows[0], windows[1]
