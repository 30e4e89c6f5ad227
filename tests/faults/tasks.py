"""A task for decoding processes that fails on request of the grey level of a picture."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imagebeam.images.errors import ImageError, InferenceFailed
from imagebeam.images.reading.picture_task import RunTask

KILL, KILL_ONCE, REFUSE, WAIT = 201, 202, 203, 204
"""Grey levels: end the process each time or the first time, refuse the picture, wait."""


@dataclass(frozen=True)
class MeanTask:
    """Its values are the mean level of a picture, and the number of pictures it came with.

    Attributes:
        folder: where it leaves a mark for each fault.
        key: see `PictureTask`.
        loads: whether it can be loaded.
        width: two values.
    """

    folder: Path
    key: str = "mean"
    loads: bool = True
    width: int = 2

    def load(self) -> RunTask:
        """Return the function, or refuse."""
        if not self.loads:
            raise ValueError("the weights are damaged")
        with (self.folder / "loads").open("a") as file:
            file.write("x")
        return self._run

    def _run(
        self, pixels: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], dict[int, ImageError]]:
        levels = pixels[:, 0, 0, 0].tolist()
        mark = self.folder / "reached"
        if KILL in levels or (KILL_ONCE in levels and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if WAIT in levels:
            mark.touch()
            while not (self.folder / "go").exists():
                time.sleep(0.005)
        errors: dict[int, ImageError] = {
            row: InferenceFailed("refused") for row, level in enumerate(levels) if level == REFUSE
        }
        values = np.array([(level, len(levels)) for level in levels], np.float32)
        return values.reshape(-1, 2), errors
