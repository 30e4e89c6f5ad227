"""The runner that options name, and what its workers hold, as far as that can be told from here."""

import re

from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    WorkerOptions,
)

from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.runners import preflight
from imagebeam.transforms.worker_versions import installed_versions

_BEAM_IMAGE = re.compile(r"apache/beam_python(\d+\.\d+)_sdk(?:_\w+)?:(\d+\.\d+\.\d+)")


def runner(options: PipelineOptions) -> Finding:
    """Who runs the job: asked after `clusters.check` has found nothing wrong."""
    facts = {"runner": preflight.runner_name(options)}
    return Finding("runner", FindingState.OK, _told(options), facts)


def _told(options: PipelineOptions) -> str:
    name = preflight.runner_name(options)
    if preflight.is_direct(options):
        direct = options.view_as(DirectOptions)
        return f"here, {direct.direct_num_workers} workers, {direct.direct_running_mode}"
    place = preflight.flink_master(options) if name == "flink" else None
    place = place or options.view_as(PortableOptions).job_endpoint
    return f"{name} answers at {place}" if place else f"{name} can be started"


def workers(options: PipelineOptions) -> Finding:
    """What workers hold, as far as that can be told from here."""
    held = installed_versions()
    wanted = ", ".join(f"{name} {version}" for name, version in held.items())
    facts = {"submitter": held, "image": options.view_as(WorkerOptions).sdk_container_image}
    if not preflight.runs_in_other_processes(options):
        return Finding("workers", FindingState.OK, "they run in this environment", facts)
    if not facts["image"]:
        how = "its own --setup_file" if options.view_as(SetupOptions).setup_file else "a wheel"
        return Finding(
            "workers",
            FindingState.OK,
            f"they get the package by {how}, and must bring Python {held['Python']} and Beam "
            f"{held['apache-beam']}, as Beam's own image does",
            facts,
        )
    if (stock := _BEAM_IMAGE.search(facts["image"])) is not None:
        return Finding(
            "workers",
            FindingState.FAILURE,
            f"{facts['image']}: Beam's own image, with Python {stock[1]} and Beam {stock[2]}, "
            "holds no imagebeam. Build an image from it, or leave --sdk_container_image out: the "
            "package is sent then.",
            facts,
        )
    return Finding(
        "workers",
        FindingState.WARNING,
        f"{facts['image']}: what it holds cannot be told from here. A worker that does not hold "
        f"{wanted} refuses to work. See with: docker run --rm --entrypoint python "
        f"{facts['image']} -c 'from imagebeam.transforms import worker_versions; "
        "print(worker_versions.installed_versions())'",
        facts,
    )
