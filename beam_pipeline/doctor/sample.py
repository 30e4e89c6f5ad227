"""Label a sample of the images with the job itself, and look at its failures."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.doctor.trial import Trial
from imagebeam.beam_pipeline.reporting.progress import failure_counts
from imagebeam.beam_pipeline.runners.watchdog import FailureLimit
from imagebeam.evaluation.accuracy import wilson_interval
from imagebeam.images.errors import CODES
from imagebeam.images.listed_image import ListedImage

_FIRST = 16
"""Images of the first job, which shows the start-up, and if images are too slow for many."""

_WANTED_SECONDS = 5.0
"""Time that the images of the last job should take beyond those of the first: start-up differs by
some tenths of a second from run to run."""

_LEAST_SECONDS = 1e-4
"""Less for an image is noise."""

MOST = 5000
"""Images of the last job at most."""


@dataclass(frozen=True)
class Sample:
    """Jobs of different size on images of one sample.

    Attributes:
        first: the smallest.
        last: the largest; the same if there was only one.
    """

    first: Trial
    last: Trial

    @property
    def images(self) -> int:
        """The number of images of the largest."""
        return self.last.images

    @property
    def failed(self) -> Counter[str]:
        """The number of its images without pixels, by error code."""
        return self.last.failed

    @property
    def labelled(self) -> int:
        """The number of its images with a label."""
        return self.images - self.failed.total()

    def each(self, value: Callable[[Trial], float]) -> float:
        """Return what one image adds to a figure of a job."""
        more = self.last.images - self.first.images
        if not more:
            return value(self.last) / self.images
        return max(0.0, value(self.last) - value(self.first)) / more

    def start(self, value: Callable[[Trial], float]) -> float:
        """Return the part of a figure that does not depend on the number of images."""
        return max(0.0, value(self.last) - self.images * self.each(value))


def take(
    chosen: Sequence[ListedImage],
    least: int,
    seconds: float,
    run: Callable[[Sequence[ListedImage]], Trial],
    clock: Callable[[], float] = time.monotonic,
) -> Sample:
    """Run jobs of growing size, until one is large enough to show the cost of an image.

    Args:
        chosen: the images to choose from, in the order of the listing.
        least: number of images to label, if the time allows.
        seconds: time limit for all jobs.
        run: runs one job.
        clock: gives seconds.
    """
    deadline = clock() + seconds
    sample = None
    images = min(_FIRST, len(chosen))
    while True:
        trial = run(part_of(chosen, images))
        sample = Sample(trial if sample is None else sample.first, trial)
        images = _next_size(sample, len(chosen), least, deadline - clock())
        if images <= trial.images:
            return sample


def _next_size(sample: Sample, available: int, least: int, seconds: float) -> int:
    """Return the number of images of the next job; not more than the last had if that was enough.

    There are images `available`, of which the user wants the `least` number, and `seconds` left.
    """
    first, last = sample.first, sample.last
    # Half of the time that is left, in case that a guess is wrong.
    left = seconds / 2
    if first is last:
        # At worst, the stages of all images come one after the other.
        each = max(sum(stage.wall for stage in last.stages.values()) / last.images, _LEAST_SECONDS)
        return min(available, least, round(left / each))
    if last.seconds - first.seconds >= _WANTED_SECONDS / 2:
        return 0
    each = max(sample.each(attrgetter("seconds")), _LEAST_SECONDS)
    fitting = round((left - sample.start(attrgetter("seconds"))) / each)
    return min(available, max(least, round(_WANTED_SECONDS / each)), fitting, MOST)


def part_of(chosen: Sequence[ListedImage], images: int) -> list[ListedImage]:
    """Return so many of the images, in their order.

    They are spread evenly, but the first of those in containers that are read from their start:
    to reach another one costs what all before it cost.
    """
    streamed = [place for place, each in enumerate(chosen) if each.is_streamed]
    loose = [place for place, each in enumerate(chosen) if not each.is_streamed]
    first = round(images * len(streamed) / max(1, len(chosen)))
    others = images - first
    places = streamed[:first]
    places += [loose[index * len(loose) // others] for index in range(others)]
    return [chosen[place] for place in sorted(places)]


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
        f"{failed:,} of {sample.images:,} sampled images failed "
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
