"""Estimate how long a job will take and what it will cost, from jobs on a sample.

The time of a job has a part that does not depend on the number of images, and a part per image.
Jobs of two sizes show both, with all that overlaps in them: reading, decoding, Beam, writing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter

from imagebeam import resources
from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.doctor.sample import Sample
from imagebeam.beam_pipeline.doctor.trial import Trial
from imagebeam.beam_pipeline.reporting.progress import duration, plural
from imagebeam.images.stage_times import StageTime


@dataclass(frozen=True)
class Price:
    """The figures that turn CPU time into time and money.

    Attributes:
        cores: total number of cores; None if not given.
        per_core_hour: in any currency; None if not given.
        on_cluster: whether workers on other machines do the work.
    """

    cores: int | None = None
    per_core_hour: float | None = None
    on_cluster: bool = False


@dataclass(frozen=True)
class Forecast:
    """The figures of a job of so many images on this machine.

    Attributes:
        images: the number of images of the job.
        sampled: number of images of the largest job that was measured.
        is_upper_limit: whether that was too small to tell start and images apart.
        start_seconds: before and after the images: start, listing and end.
        seconds_per_image: wall time that each image adds, on all cores.
        core_seconds: CPU time of the whole job.
        stage_seconds: CPU seconds of each image by stage; `other` is Beam's and that of the start
            of decoding processes.
        waiting_seconds: the wait for the storage of each image; images wait at the same time.
        output_bytes: size of its output.
        cores: the number of cores of this machine.
    """

    images: int
    sampled: int
    is_upper_limit: bool
    start_seconds: float
    seconds_per_image: float
    core_seconds: float
    stage_seconds: Mapping[str, float]
    waiting_seconds: float
    output_bytes: int
    cores: int

    @classmethod
    def of(
        cls, sample: Sample, images: int, listing_seconds: float, cores: int | None = None
    ) -> "Forecast":
        """Continue the line through the measured jobs.

        Args:
            sample: the measured jobs.
            images: the number of images of the job.
            listing_seconds: the measured jobs listed nothing.
            cores: the number of cores of this machine; None counts them.
        """

        def whole(value: Callable[[Trial], float]) -> float:
            return sample.start(value) + images * sample.each(value)

        fetch = sample.last.stages.get("fetch", StageTime())
        stages = {name: stage.cpu / sample.images for name, stage in sample.last.stages.items()}
        stages["other"] = max(0.0, sample.each(attrgetter("core_seconds")) - sum(stages.values()))
        return cls(
            images,
            sample.images,
            sample.first is sample.last and sample.images < images,
            sample.start(attrgetter("seconds")) + listing_seconds,
            sample.each(attrgetter("seconds")),
            whole(attrgetter("core_seconds")) + listing_seconds,
            stages,
            max(0.0, fetch.wall - fetch.cpu) / sample.images,
            round(whole(attrgetter("output_bytes"))),
            cores or resources.cores(),
        )

    def seconds(self, cores: int) -> float:
        """Return the wall time on so many cores.

        Cores share the work of images. They also share the waiting for storage, because each
        brings a decoding process for which more images are read ahead.
        """
        return self.start_seconds + self.images * self.seconds_per_image * self.cores / cores


def estimate(forecast: Forecast, complete: bool, price: Price) -> Finding:
    """Report wall time, CPU time and cost of a job whose listing is complete or not."""
    cores = price.cores
    seconds = forecast.seconds(cores) if cores else None
    paid_seconds = cores * seconds if cores and seconds else forecast.core_seconds
    cost = price.per_core_hour and paid_seconds / 3600 * price.per_core_hour
    facts = {
        "images": forecast.images,
        "complete": complete,
        "core_seconds": forecast.core_seconds,
        "core_seconds_per_image": dict(forecast.stage_seconds),
        "waiting_seconds_per_image": forecast.waiting_seconds,
        "start_seconds": forecast.start_seconds,
        "seconds_per_image": forecast.seconds_per_image,
        "measured_cores": forecast.cores,
        "cores": cores,
        "seconds": seconds,
        "cost": cost,
    }
    least = "" if complete else "at least "
    if forecast.is_upper_limit:
        least = "at most " if complete else "about "
    core_time = f"{duration(forecast.core_seconds)} of CPU time"
    if seconds is None:
        parts = [f"{least}{core_time}", "give --cores to see how long that takes"]
    else:
        parts = [f"{least}{duration(seconds)} on {cores:,} cores", core_time]
    if cost:
        parts.append(f"{cost:,.2f} at {price.per_core_hour:g} per core hour")
    stages = ", ".join(
        f"{name} {_figure(took * 1000)}" for name, took in forecast.stage_seconds.items()
    )
    each = f"{_figure(forecast.seconds_per_image * 1000)} ms per image on {forecast.cores:,} cores"
    if forecast.sampled < forecast.images:
        start = f"{_figure(forecast.start_seconds)} s to start, list and end, then {each}"
    else:
        start = f"{each}, start and end included"
    sampled = plural("images", forecast.sampled)
    grounds = (
        f"Measured with a job on {forecast.sampled:,} {sampled} here: {start}; CPU ms per image: "
        f"{stages}; {_figure(forecast.waiting_seconds * 1000)} ms I/O wait."
    )
    if forecast.is_upper_limit:
        grounds += " The time was too short for more images: allow more with --deadline."
    if price.on_cluster:
        grounds += " The start of workers on the cluster comes on top."
    return Finding("estimate", FindingState.OK, f"{', '.join(parts)}. {grounds}", facts)


def _figure(value: float) -> str:
    """Return a number with two digits, or more before the point."""
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.2g}"
