"""Check the runner, whether workers see the files, and what workers have installed."""

from collections.abc import Iterator, Sequence

from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.options.label_options import LabelOptions


def check_runner(options: LabelOptions, names: Sequence[str]) -> Iterator[Finding]:
    """Yield one line each for the runner, the files that `names` state, and the workers."""
    # Imported late: choosing this check must not wait for Beam.
    from imagebeam.beam_pipeline.doctor import workers
    from imagebeam.beam_pipeline.runners import preflight, submit
    from imagebeam.beam_pipeline.runners.beam_options import pipeline_options

    beam_options = pipeline_options(options.beam_args)
    preflight.check(beam_options)
    if options.detach:
        preflight.check_detachable(beam_options)
    yield workers.runner(beam_options)
    if not options.shared_disk:
        submit.check_paths_visible_to_workers(beam_options, names)
    yield Finding(
        "files",
        FindingState.OK,
        "workers share this machine's disk, according to --shared-disk"
        if options.shared_disk
        else "workers can read all inputs and write the output",
    )
    yield workers.workers(beam_options)
