"""The runner, and the software of its workers as far as this machine can know it."""

import re

from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    WorkerOptions,
)

from imagebeam import resources
from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.reporting.progress import plural
from imagebeam.beam_pipeline.runners import flink, preflight
from imagebeam.transforms.worker_versions import installed_versions

_BEAM_IMAGE = re.compile(r"apache/beam_python(\d+\.\d+)_sdk(?:_\w+)?:(\d+\.\d+\.\d+)")


def runner(options: PipelineOptions) -> Finding:
    """Describe the runner; `preflight.check` has found no problem."""
    facts = {"runner": preflight.runner_name(options)}
    return Finding("runner", FindingState.OK, _description(options), facts)


def _description(options: PipelineOptions) -> str:
    name = preflight.runner_name(options)
    if preflight.is_direct(options):
        direct = options.view_as(DirectOptions)
        available = resources.available()
        memory = "" if available.memory is None else f", {available.memory / 1e6:,.0f} MB"
        cores, decoders = available.cores, available.decode_processes()
        number = direct.direct_num_workers
        return (
            f"this machine, {cores} {plural('cores', cores)}{memory}, "
            f"at most {decoders} decoding {'process' if decoders == 1 else 'processes'}, "
            f"{number} {plural('workers', number)}, {direct.direct_running_mode}"
        )
    place = flink.master(options) if name == "flink" else None
    place = place or options.view_as(PortableOptions).job_endpoint
    return f"{name} answers at {place}" if place else f"{name} can be started"


def workers(options: PipelineOptions) -> Finding:
    """Check the software of the workers, as far as this machine can know it."""
    held = installed_versions()
    wanted = ", ".join(f"{name} {version}" for name, version in held.items())
    facts = {"submitter": held, "image": options.view_as(WorkerOptions).sdk_container_image}
    if not preflight.runs_in_other_processes(options):
        return Finding("workers", FindingState.OK, "they run in this environment", facts)
    if not facts["image"]:
        how = "your --setup_file" if options.view_as(SetupOptions).setup_file else "a wheel"
        return Finding(
            "workers",
            FindingState.OK,
            f"they receive the package as {how}, and need Python {held['Python']} and Beam "
            f"{held['apache-beam']}, which Beam's own image provides",
            facts,
        )
    if (stock := _BEAM_IMAGE.search(facts["image"])) is not None:
        return Finding(
            "workers",
            FindingState.FAILURE,
            f"{facts['image']}: Beam's own image, with Python {stock[1]} and Beam {stock[2]}, "
            "does not contain imagebeam. Build an image from it, or omit --sdk_container_image: "
            "then the package is sent to the workers.",
            facts,
        )
    return Finding(
        "workers",
        FindingState.WARNING,
        f"{facts['image']}: its contents are unknown here. A worker without {wanted} refuses to "
        f"work. Check with: docker run --rm --entrypoint python "
        f"{facts['image']} -c 'from imagebeam.transforms import worker_versions; "
        "print(worker_versions.installed_versions())'",
        facts,
    )
