"""Work that a decoding process does on its pictures, so that their pixels stay there."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from imagebeam.images.errors import ImageError

RunTask: TypeAlias = Callable[
    [npt.NDArray[np.uint8]], tuple[npt.NDArray[np.float32], dict[int, ImageError]]
]
"""Takes uint8 (N, H, W, 3); returns float32 (N, width), and the error of each row without values.
Raises nothing."""


class PictureTask(Protocol):
    """A task that can be pickled. A decoding process loads it once and runs it on many pictures."""

    @property
    def key(self) -> str:
        """Names the task: equal for copies of it, different from all other tasks."""
        ...

    @property
    def width(self) -> int:
        """The number of float32 values per picture."""
        ...

    def load(self) -> RunTask:
        """Load it, in the decoding process.

        Raises:
            Exception: it cannot be loaded; the text says why.
        """
        ...


class TaskLoadError(RuntimeError):
    """A decoding process could not load a task; the message says why."""
