"""Who is to run the job, whether workers see the files, and what workers hold."""

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
        """One line each for the runner, the files and the workers."""
        # Only here: whoever makes this record need not wait for Beam.
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
            "workers share this machine's disk, as --shared-disk says"
            if self.options.shared_disk
            else "workers find all names",
        )
        yield workers.workers(options)
