"""A module that classifies red, green and blue, and pictures of these colours."""

from pathlib import Path

from PIL import Image

from imagebeam.modules.metadata import Metadata, append_to_flatbuffer
from tests.modules.flatbuffers import echo

CLASSES = ("red", "green, verdant", "blue")


def write_module(path: Path) -> Path:
    """Return a flatbuffer for one-pixel pictures; its logits are red, green and blue in [0, 1]."""
    metadata = Metadata(value_range=(0.0, 1.0), classes=CLASSES, outputs={"logits": 0})
    path.write_bytes(append_to_flatbuffer(echo((1, 1, 1, 3), ((1, 3),)), metadata))
    return path


def draw(path: Path, red: int, green: int, blue: int) -> Path:
    """Write a picture of one colour, 8 by 8 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (red, green, blue)).save(path)
    return path
