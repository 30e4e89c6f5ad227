"""Run a module on a block of pictures, so that a picture on which it fails affects only itself."""

import numpy as np
import numpy.typing as npt

from imagebeam.images.errors import ImageError, InferenceFailed, NotFinite
from imagebeam.modules.engines import Engine
from imagebeam.modules.model_outputs import ModelOutputs


def score(
    engine: Engine, pixels: npt.NDArray[np.uint8]
) -> tuple[list[ModelOutputs], dict[int, ImageError]]:
    """Return the outputs of the pictures, in pieces, and the error of each row without any.

    A block that fails is halved until the pictures that cause the failure stand alone; the others
    keep their outputs.

    Args:
        engine: the engine that runs the module.
        pixels: uint8 (N, height, width, 3), RGB; N may be 0.
    """
    errors: dict[int, ImageError] = {}
    pieces: list[ModelOutputs] = []
    # A recursive inner function would make a cycle of references, which keeps the pixels of the
    # shard alive until the garbage collector runs.
    spans = [(0, len(pixels))] if len(pixels) else []
    while spans:
        start, stop = spans.pop()
        try:
            outputs = engine.run(pixels[start:stop])
        # Engines raise the errors of their library: ValueError, RuntimeError, OpError.
        except Exception as error:
            if stop - start == 1:
                errors[start] = InferenceFailed(f"{type(error).__name__}: {error}")
            else:
                middle = (start + stop) // 2
                spans += [(middle, stop), (start, middle)]
            continue
        finite = outputs.finite_rows(stop - start)
        for row in np.flatnonzero(~finite):
            errors[start + int(row)] = NotFinite("NaN or infinity among the answers")
        pieces.append(outputs if finite.all() else outputs.select(finite))
    return pieces, errors
