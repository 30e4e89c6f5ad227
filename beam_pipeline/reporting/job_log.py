"""What the libraries of the submitting process had to say: a file that ends in the output."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from imagebeam.outputs.layout import Layout
from imagebeam.storage import AnyPath, Location


@dataclass
class JobLog:
    """Where the log is.

    Attributes:
        file: of this machine, which is written to while the job runs.
        place: where it is found after that.
    """

    file: Path
    place: AnyPath


@contextmanager
def job_log(layout: Layout) -> Iterator[JobLog]:
    """The log of a job; an output in a store gets it at the end of the block.

    An object cannot be written to bit by bit. If the store does not take it, it stays where it is.
    """
    if not isinstance(layout.log, Location):
        yield JobLog(layout.log, layout.log)
        return
    folder = tempfile.mkdtemp(prefix="imagebeam-")
    log = JobLog(Path(folder) / layout.log.name, layout.log)
    log.file.touch()
    with suppress(FileNotFoundError):
        log.file.write_bytes(layout.log.read_bytes())
    try:
        yield log
    finally:
        try:
            layout.log.write_bytes(log.file.read_bytes())
        except OSError:
            log.place = log.file
        else:
            shutil.rmtree(folder)
