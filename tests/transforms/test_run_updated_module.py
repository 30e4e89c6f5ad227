"""Test that a module which replaces another one is opened with the same options."""

from pathlib import Path

import apache_beam as beam
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that, equal_to

from imagebeam.modules.module_options import ModuleOptions
from imagebeam.transforms.label_images import LabelImages
from tests.beam_pipeline.colours import draw
from tests.modules.saved_models import Function, pictures, write_tf2
from tests.transforms.module_updates import changing_module


def _colours(order: list[int]) -> Function:
    return lambda images: {
        "colours": 10 * tf.gather(tf.reduce_mean(images, axis=[1, 2]), order, axis=1),
        "more": tf.reduce_sum(images, axis=[1, 2]),
    }


@pytest.mark.slow
def test_an_update_takes_all_options_of_the_first_module(tmp_path: Path) -> None:
    # Each option is needed: the size is free, no signature has a usual name, one output is chosen.
    first, second = (
        str(write_tf2(tmp_path / name, {"mine": _colours(order)}, pictures(None)))
        for name, order in (("first", [0, 1, 2]), ("second", [1, 2, 0]))
    )
    options = ModuleOptions(
        value_range=(0.0, 255.0),
        channels="bgr",
        image_size=(6, 4),
        signature="mine",
        outputs={"colours": "logits"},
    )
    red = str(draw(tmp_path / "red.png", 255, 0, 0))
    with changing_module(beam.Row(uri=red), first, second) as (images, modules):
        found = images | LabelImages(first, options=options, model_metadata_pcoll=modules)
        rows = found.predictions | beam.Map(lambda row: (row.module, row.label))
        # Red is the last of blue, green and red.
        assert_that(rows, equal_to([(first, "2"), (second, "1")]))
