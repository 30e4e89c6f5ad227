"""Estimate how long a job will take and what it will cost."""

from dataclasses import dataclass

from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.doctor.sample import Sample
from imagebeam.beam_pipeline.reporting.progress import duration


@dataclass(frozen=True)
class Price:
    """The figures that turn CPU time into time and money.

    Attributes:
        cores: total number of cores; None if not given.
        per_core_hour: in any currency; None if not given.
    """

    cores: int | None = None
    per_core_hour: float | None = None


def estimate(sample: Sample, images: int, complete: bool, price: Price) -> Finding:
    """CPU time, wall time and cost of a job.

    Args:
        sample: the measurements on some of its images.
        images: number of images of the whole job, as far as they were listed.
        complete: whether the listing is complete.
        price: number of cores and their price.
    """
    stages = {
        "read": sample.fetch.cpu,
        "decode": sample.decode.cpu,
        "infer": sample.infer_cpu,
    }
    each = {name: spent / sample.images for name, spent in stages.items()}
    seconds = images * sum(each.values())
    waiting = max(0.0, sample.fetch.wall - sample.fetch.cpu) / sample.images
    facts = {
        "images": images,
        "complete": complete,
        "core_seconds": seconds,
        "core_seconds_per_image": each,
        "waiting_seconds_per_image": waiting,
        "cores": price.cores,
        "seconds": seconds / price.cores if price.cores else None,
        "cost": price.per_core_hour and seconds / 3600 * price.per_core_hour,
    }
    least = "" if complete else "at least "
    parts = [f"{least}{duration(seconds)} of CPU time"]
    if price.cores:
        parts.append(f"{duration(seconds / price.cores)} on {price.cores:,} cores")
    else:
        parts.append("give --cores to see how long that takes")
    if price.per_core_hour:
        parts.append(f"{facts['cost']:,.2f} at {price.per_core_hour:g} per core hour")
    stages_shown = ", ".join(f"{name} {took * 1000:.2g}" for name, took in each.items())
    grounds = (
        f"Measured on {sample.images:,} images: {sum(each.values()) * 1000:.2g} ms CPU per image "
        f"({stages_shown}), {waiting * 1000:.2g} ms I/O wait. Excludes Beam overhead and start-up."
    )
    return Finding("estimate", FindingState.OK, f"{', '.join(parts)}. {grounds}", facts)
