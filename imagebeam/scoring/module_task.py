"""Run a module in the processes that decode the pictures, so that only answers leave them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagebeam.images.errors import ImageError
from imagebeam.images.reading.picture_task import RunTask
from imagebeam.modules.engines import load_content
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.output_kinds import KINDS
from imagebeam.modules.types import FloatArray, ModuleInfo
from imagebeam.scoring.score import score


@dataclass(frozen=True)
class ModuleTask:
    """A `PictureTask` whose values are the heads of a module, one after the other.

    Attributes:
        key: see `PictureTask`.
        engine: the engine of the module, one that loads a file.
        content: the content of that file.
        source: names it in errors.
        info: its interface.
        heads: the heads to return, in the order of the values; see `task_heads`.
    """

    key: str
    engine: str
    content: bytes
    source: str
    info: ModuleInfo
    heads: tuple[str, ...]

    @property
    def width(self) -> int:
        """The number of values per picture."""
        return sum(self.info.length(head) for head in self.heads)

    def load(self) -> RunTask:
        """Load the module and run it once.

        Raises:
            ModuleError: it is damaged.
        """
        engine = load_content(self.engine, self.content, self.source, self.info)
        # The memory of the engine counts for the module, not for the first pictures.
        engine.run(np.zeros((1, *self.info.image_size, 3), np.uint8))

        def run(
            pixels: npt.NDArray[np.uint8],
        ) -> tuple[npt.NDArray[np.float32], dict[int, ImageError]]:
            pieces, errors = score(engine, pixels)
            values = np.zeros((len(pixels), self.width), np.float32)
            scored = [row for row in range(len(pixels)) if row not in errors]
            start = 0
            for piece in pieces:
                columns = [_head(piece, head) for head in self.heads]
                count = len(columns[0])
                values[scored[start : start + count]] = np.concatenate(columns, axis=1)
                start += count
            return values, errors

        return run

    def outputs(self, values: npt.NDArray[np.float32]) -> ModelOutputs:
        """Return (N, width) values as the heads of the module."""
        outputs: dict[str, FloatArray] = {}
        start = 0
        for head in self.heads:
            stop = start + self.info.length(head)
            outputs[head] = values[:, start:stop]
            start = stop
        return ModelOutputs(**outputs)


def task_heads(info: ModuleInfo, wanted: Iterable[str] | None) -> tuple[str, ...]:
    """Return the heads that a module has among those wanted; None wants all."""
    chosen = KINDS if wanted is None else set(wanted)
    return tuple(head for head in KINDS if head in info.heads and head in chosen)


def answer_bytes(info: ModuleInfo, wanted: Iterable[str] | None) -> int:
    """Return the bytes of the values of one picture."""
    return 4 * sum(info.length(head) for head in task_heads(info, wanted))


def _head(outputs: ModelOutputs, head: str) -> FloatArray:
    values = getattr(outputs, head)
    assert values is not None, head
    found: FloatArray = values
    return found
