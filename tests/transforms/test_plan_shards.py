import json
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.outputs.account import Plan
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.run_token import RunToken
from imagebeam.transforms.elements import Page, Shard
from imagebeam.transforms.plan_shards import (
    PlanShards,
    key_by_position,
    make_shards,
    shard_id,
    shard_size,
)
from tests.transforms.pictures import bad_entry, listed


@pytest.mark.parametrize(
    ("images", "side", "size"),
    [
        *((0, 160, 32), (1, 160, 32), (256, 160, 32), (400, 160, 64), (10_000, 128, 224)),
        *((10**8, 128, 325), (10**8, 160, 208), (10**8, 224, 106), (10**8, 4000, 32)),
    ],
)
def test_shard_size_follows_the_images_and_the_memory_of_their_pixels(
    images: int, side: int, size: int
) -> None:
    assert shard_size(images, side * side * 3) == size


def test_the_id_depends_on_the_set_of_names() -> None:
    assert shard_id(["a", "b"]) == shard_id(["b", "a"])
    names = [["a", "b"], ["a"], ["ab"], ["a", "b", "c"], ["a", "bc"], ["ab", "c"], []]
    assert len({shard_id(each) for each in names}) == len(names)
    assert all(len(shard_id(each)) == 32 for each in names)


def test_neighbours_share_a_shard_and_the_plan_is_in_the_output(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.job.mkdir()
    run = RunToken(layout)
    run.claim()
    refs = [listed(f"{source}-{n}", n) for source in (0, 1) for n in range(5)]
    shards = [
        Shard(shard_id(ref.uri for ref in group), tuple(group))
        for group in (refs[0:2], refs[2:4], refs[4:5], refs[5:7], refs[7:9], refs[9:10])
    ]
    with beam.Pipeline(FnApiRunner()) as pipeline:
        plan = pipeline | "Plan" >> beam.Create([Plan(requested=10, to_do=10)])
        pages = [
            # Shards follow the plan and not the ends of pages.
            *(Page(1, 0, tuple(refs[5:8])), Page(1, 1, tuple(refs[8:]))),
            *(Page(0, 0, tuple(refs[:1])), Page(0, 1, tuple(refs[1:5]))),
        ]
        created = pipeline | beam.Create(pages)
        planned = (created, plan) | PlanShards(run, 300, 2)
        assert_that(planned, equal_to(shards))
    assert json.loads(layout.plan.read_text())["to_do"] == 10


def test_a_shard_holds_its_refs_in_the_order_of_the_input() -> None:
    refs = [listed("b", 1), listed("a", 0), bad_entry("c", 2, "no")]
    pieces = [Page(0, 0, tuple(refs[:1])), Page(0, 0, tuple(refs[1:]))]
    [shard] = make_shards(((0, 0), pieces), Plan(), 300, 3)
    assert shard == Shard(shard_id(["a", "b", "c"]), (refs[1], refs[0], refs[2]))


def _member(ordinal: int, kind: str) -> ListedImage:
    where = ImageLocation("/a.tar.gz", "1", kind, (ordinal * 512, 100))
    return ListedImage(f"/a.tar.gz!/{ordinal}", where, ("kept",), ordinal)


def test_members_of_sequential_containers_stay_together_in_order() -> None:
    refs = [_member(ordinal, "TAR_GZIP") for ordinal in range(7)]
    pages = [Page(0, 1, tuple(refs[4:])), Page(0, 0, tuple(refs[:4]))]
    places = [each for page in pages for each in key_by_position(page, Plan(to_do=7), 300, 2)]
    assert [key for key, _ in places] == [(0, 0), (0, 0)]
    neighbours = [refs for _, refs in places]
    shards = list(make_shards(((0, 0), neighbours), Plan(to_do=7), 300, 2))
    assert [shard.images for shard in shards] == [
        tuple(refs[start : start + 2]) for start in (0, 2, 4, 6)
    ]


def test_members_of_a_plain_tar_are_spread() -> None:
    refs = tuple(_member(ordinal, "TAR") for ordinal in range(4))
    assert list(key_by_position(Page(0, 0, refs), Plan(to_do=4), 300, 2)) == [
        ((0, 0), Page(0, 0, refs[:2])),
        ((0, 1), Page(0, 0, refs[2:])),
    ]


def test_no_run_of_neighbours_exceeds_the_sort_limit() -> None:
    page = Page(0, 0, tuple(_member(at, "TAR_GZIP") for at in (0, 101_999, 102_000)))
    assert [(key, len(run.images)) for key, run in key_by_position(page, Plan(), 300, 3_000)] == [
        ((0, 0), 2),
        ((0, 1), 1),
    ]
