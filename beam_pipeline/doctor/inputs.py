"""List the inputs, and estimate failures, time and cost from a sample."""

import os
import random
import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from imagebeam.beam_pipeline import job_sources
from imagebeam.beam_pipeline.doctor import sample, trial
from imagebeam.beam_pipeline.doctor.estimate import Forecast, Price, estimate
from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.doctor.output import nearest_existing
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.beam_pipeline.reporting.progress import byte_text, failure_counts, plural
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing.left_out import LeftOut, LeftOutCount
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.recorded_names import RecordedNames
from imagebeam.storage import AnyPath, Settings, StoreError, store_for

_SHARE_OF_LISTING = 0.25
_SHARE_OF_SAMPLING = 0.65
_LOOKS = 10
"""Number of images whose size is looked up: each lookup may be a network request."""


@dataclass(frozen=True)
class Listing:
    """The images to label that were listed within the time limit.

    Attributes:
        images: their number.
        done: number of further names that have a row in the output.
        problems: number of names that cannot be resolved, by error code.
        chosen: a sample of the images, in their order.
        complete: whether the listing was finished.
        seconds: time taken.
    """

    images: int
    done: int
    problems: Counter[str]
    chosen: Sequence[ListedImage]
    complete: bool
    seconds: float

    @property
    def count(self) -> str:
        """The number of images, in words."""
        more = "" if self.complete else "more than "
        done = f" to label, and {more}{self.done:,} with a row in the output" if self.done else ""
        return f"{more}{self.images:,} {plural('images', self.images)}{done}"


def check_inputs(
    options: LabelOptions, least: int, seconds: float, price: Price, output: AnyPath | None = None
) -> Iterator[Finding]:
    """Yield one line each for the listing, the sample, the estimate and the space.

    Args:
        least: number of images to label, if the time allows.
        seconds: time limit for all of it.
        price: number of cores and their price.
        output: folder of the results, to compare its free space with what the job needs.
    """
    left_out = LeftOut()
    looks = (replace(source, is_look=True) for source in job_sources.listed(options))
    found = chain.from_iterable(look.images(left_out) for look in looks)
    start = time.monotonic()
    listing_seconds = seconds * _SHARE_OF_LISTING
    done = _recorded(options, output, listing_seconds / 2)
    listing_seconds -= time.monotonic() - start
    listing = list_images(
        islice(found, options.limit), max(least, sample.MOST), listing_seconds, done
    )
    yield _finding(listing, left_out.take(), options.access.settings)
    if not listing.chosen:
        return
    sampling_seconds = seconds * _SHARE_OF_SAMPLING
    timed = replace(options, decode_seconds=min(options.decode_seconds, sampling_seconds))
    taken = sample.take(
        listing.chosen,
        least,
        sampling_seconds,
        lambda images: trial.run(images, timed, listing.images),
    )
    yield sample.failure_finding(taken, options.max_failure_rate)
    if not taken.labelled:
        return
    forecast = Forecast.of(taken, listing.images, listing.seconds)
    yield estimate(forecast, listing.complete, price)
    if isinstance(output, Path):
        yield space_finding(forecast.output_bytes, listing.complete, output)


def _recorded(options: LabelOptions, output: AnyPath | None, seconds: float) -> Container[str]:
    """Return the names that the job skips, because the output has a row for them."""
    layout = None if output is None else Layout(output, options.format)
    if layout is None or options.overwrite or not layout.identity.exists():
        return ()
    return RecordedNames(layout, options.retry_failed, seconds)


def space_finding(needed: int, complete: bool, output: Path) -> Finding:
    """Compare the space that the rows need with the free space at the output.

    Args:
        needed: bytes of the rows of all listed images.
        complete: whether all images were listed.
        output: a local folder, which need not exist.
    """
    status = os.statvfs(str(nearest_existing(output)))
    free = status.f_bavail * status.f_frsize
    facts = {"needed_bytes": needed, "free_bytes": free, "complete": complete}
    about = "about" if complete else "more than"
    message = f"{about} {byte_text(needed)} for the rows; {byte_text(free)} free at {output}"
    if needed <= free:
        return Finding("space", FindingState.OK, message, facts)
    fix = "Free disk space, choose another --output, or emit less."
    return Finding("space", FindingState.FAILURE, f"{message}. {fix}", facts)


def list_images(
    found: Iterable[ListedImage], chosen: int, seconds: float, done: Container[str] = ()
) -> Listing:
    """List until the end or the time limit, and choose some of the images at random.

    Those in containers that are read from their start are replaced by as many first ones of them:
    to reach another one costs what all before it cost.

    Args:
        found: the images of the inputs.
        chosen: number of images to choose.
        seconds: time limit.
        done: names that are not to be labelled any more.
    """
    start = time.monotonic()
    rng = random.Random(0)
    images = skipped = 0
    problems: Counter[str] = Counter()
    kept: list[tuple[int, ListedImage]] = []
    first_streamed: list[tuple[int, ListedImage]] = []
    complete = True
    for each in found:
        is_done = each.uri in done
        if is_done:
            skipped += 1
        elif each.error is not None:
            problems[each.error.code] += 1
        # Vitter's algorithm R: each image has the same chance, without knowing their number.
        elif len(kept) < chosen:
            kept.append((images, each))
        elif (place := rng.randrange(images + 1)) < chosen:
            kept[place] = (images, each)
        if each.is_streamed and not is_done and len(first_streamed) < chosen:
            first_streamed.append((images, each))
        images += each.error is None and not is_done
        if time.monotonic() - start > seconds:
            complete = False
            break
    loose = [pair for pair in kept if not pair[1].is_streamed]
    loose += first_streamed[: len(kept) - len(loose)]
    in_order = [each for _, each in sorted(loose, key=lambda pair: pair[0])]
    return Listing(images, skipped, problems, in_order, complete, time.monotonic() - start)


def _size(listed: ListedImage, settings: Settings) -> int | None:
    """Return the encoded size of an image in bytes; None if finding out means to read it."""
    where = listed.location
    if not isinstance(where, ImageLocation):
        return None
    if where.container is ContainerKind.TAR:
        return where.place[1]
    try:
        return None if where.kind else store_for(where.address, settings).info(where.address).size
    except StoreError:
        return None


def _finding(listing: Listing, left_out: Mapping[str, LeftOutCount], settings: Settings) -> Finding:
    facts: dict[str, Any] = {
        "images": listing.images,
        "already_done": listing.done,
        "complete": listing.complete,
        "problems": dict(listing.problems),
        "left_out": {
            reason: {"count": count, "examples": list(examples)}
            for reason, (count, examples) in sorted(left_out.items())
        },
        "seconds": listing.seconds,
    }
    message = f"{listing.count}, listed in {listing.seconds:.1f} s"
    looked_at = listing.chosen[:: max(1, len(listing.chosen) // _LOOKS)]
    if sizes := [size for each in looked_at if (size := _size(each, settings)) is not None]:
        facts["bytes"] = round(sum(sizes) / len(sizes) * listing.images)
        message += f", about {byte_text(facts['bytes'])}, estimated from {len(sizes):,} of them"
    if not listing.complete:
        message += "; stopped at the time limit for listing"
    if listing.problems:
        message += (
            f"; also {failure_counts(listing.problems)}: see the table of error codes for the fixes"
        )
    if left_out:
        reasons = ", ".join(f"{each.entries:,} {name}" for name, each in sorted(left_out.items()))
        message += f"; left out: {reasons}"
    state = FindingState.WARNING if listing.problems else FindingState.OK
    return Finding("inputs", state, message, facts)
