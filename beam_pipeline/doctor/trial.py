"""Run the job itself on a few images, and measure it from outside."""

import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from imagebeam import child_process
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.beam_pipeline.runners.watchdog import ANY_BUT_ALL
from imagebeam.errors import ImagebeamError
from imagebeam.images.listed_image import ListedImage
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.sources import Source
from imagebeam.images.stage_times import StageTime, StageTimes, Stopwatch
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.summary import read_summary

_SHARDS = 4
"""Least number of shards of a trial."""


class TrialError(ImagebeamError, RuntimeError):
    """The job did not run."""


@dataclass(frozen=True)
class Trial:
    """The figures of one small job, from the start of its process to its end.

    Attributes:
        images: number of its images.
        failed: number of images without pixels, by error code.
        seconds: wall time.
        core_seconds: CPU time of all its processes.
        output_bytes: the bytes of all files that it wrote.
        stages: time by stage, added up over all images, without the start.
    """

    images: int
    failed: Counter[str]
    seconds: float
    core_seconds: float
    output_bytes: int
    stages: StageTimes


@dataclass(frozen=True)
class ChosenImages(Source):
    """Images that were listed before.

    Attributes:
        chosen: the images.
    """

    chosen: tuple[ListedImage, ...] = ()

    def images(
        self, left_out: LeftOut, found: Callable[[int], object] = lambda number: None
    ) -> Iterator[ListedImage]:
        """Yield the images."""
        return iter(self.chosen)


def run(images: Sequence[ListedImage], options: LabelOptions, of: int) -> Trial:
    """Label images in a new process on this machine, into a temporary folder.

    Args:
        images: the images to label.
        options: the options of the job that is to be estimated.
        of: number of images of that job, on which the size of its files depends.

    Raises:
        TrialError: the job did not end, with its message.
    """
    with tempfile.TemporaryDirectory(prefix="imagebeam-") as folder:
        output = Path(folder) / "output"
        request = Path(folder) / "request"
        request.write_bytes(pickle.dumps((tuple(images), _alone(options, output), of)))
        before, start = _children_seconds(), time.monotonic()
        process = subprocess.run(
            child_process.ended_with_parent(
                child_process.command("imagebeam.beam_pipeline.doctor.trial:serve", request)
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=child_process.environment(),
        )
        seconds, core_seconds = time.monotonic() - start, _children_seconds() - before
        if process.returncode:
            problem = _problem_file(request)
            reason = problem.read_text() if problem.exists() else "run with --debug to see why"
            raise TrialError(f"a job of {len(images):,} images of the sample failed: {reason}")
        summary = read_summary(Layout(output, options.format))
        stages = {name: each for name, each in summary["stages"].items() if name != "start"}
        return Trial(
            len(images),
            Counter(summary["failed_by_code"]),
            seconds,
            core_seconds,
            sum(path.stat().st_size for path in output.rglob("*") if path.is_file()),
            {
                name: StageTime(each["wall_seconds"], each["cpu_seconds"])
                for name, each in stages.items()
            },
        )


def serve(request: str) -> None:
    """Run the job that `run` asks for, in this process."""
    # Imported late: Beam is needed here only, and its import is part of what is measured.
    from imagebeam.beam_pipeline import job
    from imagebeam.beam_pipeline.reporting import console
    from imagebeam.transforms.plan_shards import shard_size

    watch = Stopwatch()
    images, options, of = pickle.loads(Path(request).read_bytes())
    try:
        prepared = job.plan(options)
        whole = prepared.job
        size = whole.images_per_shard or shard_size(of, whole.held_bytes)
        part = replace(
            whole,
            sources=[ChosenImages("images", (), chosen=images)],
            # The cores share the images of a job, so there must be several shards.
            images_per_shard=min(size, ceil(len(images) / _SHARDS)),
        )
        job.run(replace(prepared, job=part), console, watch)
    except ImagebeamError as error:
        _problem_file(Path(request)).write_text(str(error))
        sys.exit(1)


def _alone(options: LabelOptions, output: Path) -> LabelOptions:
    """Return the options without those about the cluster and about rows of earlier runs."""
    other: dict[str, Any] = {"limit": None, "retry_failed": None, "check_changed": False}
    other |= {"overwrite": False, "detach": False, "beam_args": ()}
    return replace(options, output=output, max_failure_rate=ANY_BUT_ALL, **other)


def _problem_file(request: Path) -> Path:
    return request.with_name("problem")


def _children_seconds() -> float:
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
