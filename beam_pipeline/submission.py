"""Makes a job ready for workers elsewhere: what they run, and whether they see the files."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from apache_beam.options.pipeline_options import (
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    WorkerOptions,
)

from beam_pipeline import clusters
from beam_pipeline.errors import UsageError
from beam_pipeline.shipping import write_wheel
from images import uris
from images.inputs import STDIN

_LONGEST_JOB_SECONDS = 90 * 24 * 3600


def refuse_unseen(options: PipelineOptions, names: Iterable[str]) -> None:
    """See that workers can read the inputs and write the output.

    Raises:
        UsageError: one of the names is a file of this machine, and workers are elsewhere.
    """
    if clusters.sees_this_disk(options):
        return
    for name in names:
        # Standard input is copied into the output.
        if name != STDIN and uris.scheme(name) == "file":
            raise UsageError(
                f"{name}: a local name, which the workers of {clusters.runner_name(options)} do "
                "not see. Use gs://, s3:// or http(s)://; or mount the folder under the same "
                "name on this machine and on all workers, and add --shared-disk."
            )


@contextmanager
def shipped(options: PipelineOptions) -> Iterator[None]:
    """Complete the options, so that workers elsewhere get our package; hold it until submitted.

    Where --sdk_container_image names their image, it holds the package already.
    """
    portable = options.view_as(PortableOptions)
    # Beam ends the stream of a job's states by the time that it gives a job server to answer.
    portable.job_server_timeout = max(portable.job_server_timeout, _LONGEST_JOB_SECONDS)
    if (
        not clusters.runs_in_other_processes(options)
        or options.view_as(WorkerOptions).sdk_container_image
    ):
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        setup = options.view_as(SetupOptions)
        if not setup.setup_file:
            wheel = write_wheel(Path(folder))
            setup.extra_packages = [*(setup.extra_packages or ()), str(wheel)]
        yield
