"""A module that classifies red, green and blue, and pictures of these colours."""

from pathlib import Path

from PIL import Image

from imagebeam.modules.metadata import Metadata, append_to_flatbuffer
from tests.modules.flatbuffers import echo

CLASSES = ("red", "green, verdant", "blue")


def write_module(path: Path, classes: tuple[str, ...] | None = CLASSES, side: int = 1) -> Path:
    """Write a flatbuffer that returns the pixels of square pictures, from 0 to 1.

    Args:
        path: of the file.
        classes: names of the pixels' values, which are logits then; None makes them features.
        side: of the pictures in pixels.
    """
    outputs = {"features" if classes is None else "logits": 0}
    metadata = Metadata(value_range=(0.0, 1.0), classes=classes, outputs=outputs)
    content = echo((1, side, side, 3), ((1, 3 * side**2),))
    path.write_bytes(append_to_flatbuffer(content, metadata))
    return path


def draw(path: Path, red: int, green: int, blue: int) -> Path:
    """Write a picture of one colour, 8 by 8 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (red, green, blue)).save(path)
    return path
