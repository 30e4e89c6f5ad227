from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.stage_times import StageTime
from imagebeam.outputs.account import Plan, uri_digest
from imagebeam.outputs.layout import Format, Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.transforms.elements import PAGE_SIZE, Page
from imagebeam.transforms.skip_done import SkipDone, buckets, requested_rows
from tests.transforms.pictures import listed


def _output(root: Path, kind: Format) -> Layout:
    """Return an output in which an earlier run labelled old-1 and old-2, and failed on broken."""
    layout = Layout(root, kind)
    layout.predictions.mkdir()
    layout.errors.mkdir()
    schema = PredictionSchema((), 0, None, {})
    errors = schema.errors([("broken", "decode", "corrupt", "…", False, ())])
    write_part(layout, "1", pa.table({"uri": ["old-1"]}), schema.errors([]))
    write_part(layout, "2", pa.table({"uri": ["old-2"]}), errors)
    return layout


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_only_images_without_a_row_remain_and_every_image_is_counted(
    tmp_path: Path, kind: Format
) -> None:
    pages = [
        Page(1, 0, (listed("twice", 0),)),
        Page(
            0,
            0,
            (
                listed("old-1", 1),
                listed("old-1", 2),
                listed("broken", 3),
                ListedImage("new", ImageLocation("gs://b/new", "7"), ("kept",), 5),
                listed("twice", 7),
            ),
        ),
    ]
    names = ("new", "twice", "old-1", "old-2", "broken")
    plan = Plan(
        requested=6,
        seen=6,
        duplicates=2,
        already_labelled=1,
        already_failed=1,
        to_do=2,
        rows=5,
        rows_digest=sum(map(uri_digest, names)) % 2**128,
    )
    with beam.Pipeline(FnApiRunner()) as pipeline:
        to_do, plans, _ = pipeline | beam.Create(pages) | SkipDone(_output(tmp_path, kind))
        assert_that(to_do, equal_to([Page(0, 0, pages[1].images[3:])]), "to do")
        assert_that(plans, equal_to([plan]), "plan")


def test_the_plan_contains_the_listing_time(tmp_path: Path) -> None:
    cost, ref = {"list": StageTime(0.5, 0.25)}, listed("a", 0)
    pages = [Page(0, 0, (ref,), cost), Page(1, 0, (ref,), cost)]
    with beam.Pipeline(FnApiRunner()) as pipeline:
        _, plans, _ = pipeline | beam.Create(pages) | SkipDone(Layout(tmp_path))
        costs = plans | beam.Map(lambda plan: plan.costs)
        assert_that(costs, equal_to([{"list": (1.0, 0.5)}]))


def test_in_a_new_output_every_image_remains(tmp_path: Path) -> None:
    pages = [Page(0, 0, (listed("a", 0), listed("b", 1)))]
    with beam.Pipeline(FnApiRunner()) as pipeline:
        to_do, _, _ = pipeline | beam.Create(pages) | SkipDone(Layout(tmp_path))
        assert_that(to_do, equal_to(pages))


def test_duplicates_are_found_across_pages_and_bundles(tmp_path: Path) -> None:
    """Return thousands of names, so that each bucket has some of every page."""
    first = tuple(listed(f"{n}", n) for n in range(PAGE_SIZE))
    second = tuple(listed(f"{n // 2}", n) for n in range(PAGE_SIZE, 2 * PAGE_SIZE))
    third = tuple(listed(f"{n}", n) for n in range(PAGE_SIZE // 2))
    pages = [Page(0, 0, first), Page(0, 1, second), Page(1, 0, third)]
    with beam.Pipeline(FnApiRunner()) as pipeline:
        to_do, plans, _ = (
            pipeline | beam.Create(reversed(pages)) | SkipDone(Layout(tmp_path / "out"))
        )
        assert_that(to_do, equal_to([pages[0]]), "to do")
        counts = plans | beam.Map(lambda plan: (plan.requested, plan.duplicates, plan.to_do))
        assert_that(counts, equal_to([(PAGE_SIZE * 5 // 2, PAGE_SIZE * 3 // 2, PAGE_SIZE)]), "plan")


def test_digests_are_grouped_by_their_first_byte(tmp_path: Path) -> None:
    names = [f"{n}" for n in range(500)]
    rows = requested_rows(Page(3, 0, tuple(listed(name, n) for n, name in enumerate(names))))
    found = dict(buckets([rows[:200], rows[200:]]))
    expected: dict[int, list[int]] = {}
    for ordinal, name in enumerate(names):
        expected.setdefault(uri_digest(name) >> 120, []).append(ordinal)
    ordinals = {
        bucket: np.frombuffer(data, rows.dtype)["ordinal"] for bucket, data in found.items()
    }
    assert {bucket: each.tolist() for bucket, each in ordinals.items()} == expected
    assert list(buckets([])) == []
