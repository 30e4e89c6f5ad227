"""Check the runner, whether workers see the files, and what workers have installed."""

from collections.abc import Iterator
from dataclasses import dataclass

from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.options import LabelOptions


@dataclass(frozen=True)
class Runner:
    """The runner and its workers.

    Attributes:
        options: of the job.
        names: of its inputs and its output.
    """

    options: LabelOptions
    names: tuple[str, ...]
    about: str = "runner"

    def run(self) -> Iterator[Finding]:
        """Yield one line each for the runner, the files and the workers."""
        # Imported late: making this record must not wait for Beam.
        from imagebeam.beam_pipeline.doctor import workers
        from imagebeam.beam_pipeline.runners import preflight, submit
        from imagebeam.beam_pipeline.runners.options import pipeline_options

        options = pipeline_options(self.options.beam_args)
        preflight.check(options)
        if self.options.detach:
            preflight.check_detachable(options)
        yield workers.runner(options)
        if not self.options.shared_disk:
            submit.check_paths_visible_to_workers(options, self.names)
        yield Finding(
            "files",
            FindingState.OK,
            "workers share this machine's disk, according to --shared-disk"
            if self.options.shared_disk
            else "workers can read all inputs and write the output",
        )
        yield workers.workers(options)
