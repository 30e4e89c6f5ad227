"""An engine that takes as many pictures at once as there is memory for."""

import numpy as np
import numpy.typing as npt

from imagebeam.modules import Engine, ModelOutputs
from imagebeam.modules.engines.bisection import joined


class MemoryBoundedEngine:
    """Halves the pictures that an engine is given when it runs out of memory, and remembers.

    One serves all threads of a process: what one of them has learnt holds for the others.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._most: int | None = None

    def run(self, pixels: npt.NDArray[np.uint8]) -> ModelOutputs:
        """Run the engine on uint8 (N, height, width, 3) pictures, in parts if need be.

        Raises:
            Exception: as the engine does; for want of memory only if one picture alone is
                too many.
        """
        pieces: list[ModelOutputs] = []
        start = 0
        while start < len(pixels) or not pieces:
            part = pixels[start : start + (self._most or len(pixels))]
            try:
                pieces.append(self._engine.run(part))
            # TensorFlow has an error of its own for it, and is not imported here.
            except Exception as error:
                if not _is_want_of_memory(error) or len(part) <= 1:
                    raise
                half = len(part) // 2
                self._most = min(self._most or half, half)
            else:
                start += len(part)
        return joined(pieces)


def _is_want_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"
