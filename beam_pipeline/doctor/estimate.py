"""How long a job will take and what it will cost, with the grounds for saying so."""

from dataclasses import dataclass

from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.doctor.sample import Sample


@dataclass(frozen=True)
class Price:
    """What turns work into time and money.

    Attributes:
        cores: of all workers together; None where nobody said.
        per_core_hour: in any currency; None where nobody said.
    """

    cores: int | None = None
    per_core_hour: float | None = None


def estimate(sample: Sample, images: int, complete: bool, price: Price) -> Finding:
    """Work, time and cost of a job.

    Args:
        sample: what some of its images took.
        images: of the whole job.
        complete: whether these are all.
        price: of a core's time, and how many there are.
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
    parts = [f"{least}{duration(seconds)} of one core"]
    if price.cores:
        parts.append(f"{duration(seconds / price.cores)} on {price.cores:,} cores")
    else:
        parts.append("say --cores for the time that this takes")
    if price.per_core_hour:
        parts.append(f"{facts['cost']:,.2f} at {price.per_core_hour:g} a core hour")
    stages_told = ", ".join(f"{name} {took * 1000:.2g}" for name, took in each.items())
    parts.append(
        f"because {sample.images:,} images took {sum(each.values()) * 1000:.2g} ms of a core each "
        f"here ({stages_told}) and waited {waiting * 1000:.2g} ms for their storage; Beam's own "
        "work and the start of workers come on top"
    )
    return Finding("estimate", FindingState.OK, "; ".join(parts), facts)


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s"
