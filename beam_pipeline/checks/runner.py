"""Who is to run the job, whether workers see the files, and what workers hold."""

from collections.abc import Iterator
from dataclasses import dataclass

from beam_pipeline.checks.finding import Finding, State
from beam_pipeline.options import LabelOptions


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
        from beam_pipeline import clusters, submission
        from beam_pipeline.beam_options import pipeline_options
        from beam_pipeline.checks import workers

        options = pipeline_options(self.options.beam_args)
        clusters.check(options)
        if self.options.detach:
            clusters.check_detachable(options)
        yield workers.runner(options)
        if not self.options.shared_disk:
            submission.refuse_unseen(options, self.names)
        yield Finding(
            "files",
            State.OK,
            "workers share this machine's disk, as --shared-disk says"
            if self.options.shared_disk
            else "workers find all names",
        )
        yield workers.workers(options)
