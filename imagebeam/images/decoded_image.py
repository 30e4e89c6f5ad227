"""A picture as a module takes it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """One picture, ready for a module.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, upright, of the requested size.
        width: the width of the original picture, upright, in pixels.
        height: likewise.
    """

    pixels: npt.NDArray[np.uint8]
    width: int
    height: int
