"""Let a process end while none of its threads is in the middle of a file.

Threads and worker processes that write parts hold a shared lock on the output's `job` folder, and
pass a gate before, which is a lock on its `errors` folder. The process that ends closes the gate
and waits until it has the other lock alone: a writer that comes later waits until the process is
gone. Nothing has to be handed to the writers, because the locks belong to the folders.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from imagebeam.outputs.layout import Layout
from imagebeam.outputs.lock import lock_folder
from imagebeam.storage import AnyPath, Location


@dataclass(frozen=True)
class Writers:
    """The threads and processes of this machine that write files of one output.

    Attributes:
        layout: the layout of the output. A store has no files that are half written, so it needs no
            lock.
        clock: seconds that never go back.
        sleep: waits for some seconds.
    """

    layout: Layout
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count as a writer. Wait until the process ends once `end` was called."""
        with _opened(self.layout.job) as work:
            with _opened(self.layout.errors) as gate:
                _lock(gate, fcntl.LOCK_SH)
                _lock(work, fcntl.LOCK_SH)
            yield

    def end(self, seconds: float = 5.0) -> None:
        """Keep new writers out, and give present ones some time to finish.

        The locks stay until this process ends.

        Args:
            seconds: the longest wait: a disk may hang.
        """
        start = self.clock()
        # New writers are kept out first; otherwise there might always be one at work.
        for folder in map(_open, (self.layout.errors, self.layout.job)):
            while not _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
                if self.clock() - start > seconds:
                    return
                self.sleep(0.01)


@contextmanager
def _opened(folder: AnyPath) -> Iterator[int | None]:
    descriptor = _open(folder)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _open(folder: AnyPath) -> int | None:
    if isinstance(folder, Location):
        return None
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        # There is nothing to lock, and the write itself says what is wrong with the folder.
        return None


def _lock(folder: int | None, kind: int) -> bool:
    return folder is None or lock_folder(folder, kind)
