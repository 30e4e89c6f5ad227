"""The log of the submitting process: what libraries wrote, kept in the output."""

import logging
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from imagebeam.outputs.layout import Layout
from imagebeam.storage import AnyPath, Location


@contextmanager
def own_warnings(report: Callable[[str], object]) -> Iterator[None]:
    """Report each warning that this package logs in this process, once, at the end of the block.

    Meanwhile a progress bar may be on the terminal.
    """
    collected = _Warnings(logging.WARNING)
    logger = logging.getLogger("imagebeam")
    logger.addHandler(collected)
    try:
        yield
    finally:
        logger.removeHandler(collected)
        for text in collected.texts:
            report(text)


class _Warnings(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.texts: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.texts[record.getMessage()] = None


@dataclass
class JobLog:
    """The places of the log.

    Attributes:
        file: the local file that is written while the job runs.
        place: where the log is afterwards.
    """

    file: Path
    place: AnyPath


@contextmanager
def job_log(layout: Layout) -> Iterator[JobLog]:
    """Open the log of a job; an output in a store receives it at the end of the block.

    Objects cannot be appended to. If the store refuses the log, the local file is kept.
    """
    if not isinstance(layout.log, Location):
        with suppress(FileNotFoundError):
            # A link would be followed, and a pipe would block.
            if not stat.S_ISREG(layout.log.lstat().st_mode):
                layout.log.unlink()
        yield JobLog(layout.log, layout.log)
        return
    earlier = b""
    with suppress(FileNotFoundError):
        earlier = layout.log.read_bytes()
    folder = tempfile.mkdtemp(prefix="imagebeam-")
    log = JobLog(Path(folder) / layout.log.name, layout.log)
    log.file.write_bytes(earlier)
    try:
        yield log
    finally:
        content = log.file.read_bytes()
        try:
            layout.log.write_bytes(content)
        # An exception of the store must not replace the error of the job.
        except Exception:
            if content != earlier:
                log.place = log.file
        if log.place != log.file:
            shutil.rmtree(folder, ignore_errors=True)
