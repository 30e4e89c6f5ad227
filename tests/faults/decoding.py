"""Pictures that request a fault of their decoder, and the outcomes of decoding them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
from PIL import Image

from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.decoding_process import DecodingProcess
from imagebeam.images.reading.reader import Reading, pictures
from imagebeam.images.settings import Preprocessing
from imagebeam.images.stage_times import Meter

PLUGIN = Path(__file__).with_name("plugin")
"""A folder for the start of Python's path; its module documents the faults on request."""

SIZE = (8, 8)
PREPROCESSING = Preprocessing(SIZE)


def bmp(path: Path, level: int, fault: str = "") -> str:
    """Save a grey picture of 10×10 that requests a fault, or none; return its URI."""
    Image.new("L", (10, 10), level).save(path)
    if fault:
        with path.open("ab") as file:
            file.write(f"fault:{fault}@{path}".encode())
    return str(path)


def read(process: DecodingProcess, uris: Sequence[str]) -> Reading:
    """Return the outcomes of the images from a decoding process."""
    pixels, meter = np.empty((len(uris), *SIZE, 3), np.uint8), Meter()
    outcomes = process.read([*map(ImageLocation, uris)], pixels, meter)
    return Reading(costs=meter.costs, pixels=pixels, outcomes=pictures(pixels, outcomes))


def seen(reading: Reading) -> list[int | str]:
    """Return the grey level of each picture, or the code of its error."""
    return [
        outcome.code if isinstance(outcome, ImageError) else _level(pixels)
        for pixels, outcome in zip(reading.pixels, reading.outcomes, strict=True)
    ]


def _level(pixels: npt.NDArray[np.uint8]) -> int:
    [level] = np.unique(pixels).tolist()
    return int(level)


leftovers: set[psutil.Process] = set()
"""Processes that earlier tests left, such as a job's reader that Beam still holds."""


def children() -> list[psutil.Process]:
    """Return the processes below this one, including dead ones in the process table."""
    found = psutil.Process().children(recursive=True)
    return [child for child in found if child not in leftovers]
