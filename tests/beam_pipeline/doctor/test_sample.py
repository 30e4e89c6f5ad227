"""Test the sizes of the jobs that measure a sample, with jobs whose times are made up."""

from collections import Counter
from collections.abc import Sequence

import pytest

from imagebeam.beam_pipeline.doctor.sample import MOST, Sample, part_of, take
from imagebeam.beam_pipeline.doctor.trial import Trial
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing.sources import image
from imagebeam.images.stage_times import StageTime


class _Jobs:
    """Jobs on a machine where each takes 3 s and as much for each image; and its clock."""

    def __init__(self, each: float) -> None:
        self._each = each
        self.now = 0.0
        self.sizes: list[int] = []

    def run(self, images: Sequence[ListedImage]) -> Trial:
        self.sizes.append(len(images))
        seconds = 3 + self._each * len(images)
        self.now += seconds
        stages = {"decode": StageTime(2 * self._each * len(images), 0.0)}
        return Trial(len(images), Counter(), seconds, seconds, 0, stages)

    def take(self, available: int, least: int = 100, seconds: float = 39.0) -> Sample:
        chosen = list(map(image, map(str, range(available))))
        return take(chosen, least, seconds, self.run, lambda: self.now)


@pytest.mark.parametrize(
    ("each", "available", "sizes"),
    [
        pytest.param(0.002, 5000, [16, 100, 2500], id="quick images: enough for 5 s"),
        pytest.param(0.0002, 9000, [16, 100, MOST], id="very quick images: a limit"),
        pytest.param(0.002, 1000, [16, 100, 1000], id="all that there are"),
        pytest.param(0.05, 5000, [16, 100], id="the first hundred take 4 s more"),
        pytest.param(0.002, 12, [12], id="fewer than the first job takes"),
        pytest.param(0.002, 50, [16, 50], id="fewer than wanted"),
        pytest.param(0.3, 5000, [16, 26], id="slow images: what the time allows"),
        pytest.param(2.0, 5000, [16], id="very slow images"),
    ],
)
def test_jobs_grow_until_images_take_long_enough(
    each: float, available: int, sizes: list[int]
) -> None:
    jobs = _Jobs(each)
    sample = jobs.take(available)
    assert jobs.sizes == sizes
    assert sample.images == sizes[-1]
    if len(sizes) > 1:
        assert sample.each(lambda trial: trial.seconds) == pytest.approx(each)
        assert sample.start(lambda trial: trial.seconds) == pytest.approx(3)


def test_more_images_are_labelled_on_request() -> None:
    jobs = _Jobs(0.002)
    jobs.take(5000, least=4000)
    assert jobs.sizes == [16, 4000]


def test_a_part_is_spread_but_for_members_that_are_read_in_sequence() -> None:
    loose = [image(f"{number}.jpg") for number in range(6)]
    members = [
        ListedImage(f"a.tar.gz#{number}", ImageLocation("a.tar.gz", kind="TAR_GZIP"))
        for number in range(6)
    ]
    chosen = [*loose, *members]
    assert part_of(chosen, 12) == chosen
    assert part_of(chosen, 6) == [loose[0], loose[2], loose[4], *members[:3]]
    assert part_of(loose, 1) == loose[:1]
    assert part_of(members, 2) == members[:2]
