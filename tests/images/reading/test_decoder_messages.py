"""Test damaged TIFFs that libtiff reports only on standard error."""

import io
import os
import random
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.reader import ImageReader
from imagebeam.images.settings import Preprocessing
from tests.images.encoding import encode, smooth

LINES = Image.fromarray(np.uint8(255) * (np.indices((90, 120)).sum(0) // 7 % 2 == 0)).convert("1")
SEEDS = {
    "group3": encode(LINES, "TIFF", compression="group3"),
    "group4": encode(LINES, "TIFF", compression="group4"),
    "run lengths": encode(LINES, "TIFF", compression="tiff_ccitt"),
    "jpeg": encode(smooth(120, 90), "TIFF", compression="jpeg"),
    "lzw": encode(smooth(120, 90), "TIFF", compression="tiff_lzw"),
    "deflate": encode(smooth(120, 90), "TIFF", compression="tiff_deflate"),
    "packbits": encode(smooth(120, 90), "TIFF", compression="packbits"),
}


def _read(folder: Path, pictures: list[bytes]) -> list[bytes | str]:
    locations = []
    for number, data in enumerate(pictures):
        (folder / f"{number}.tif").write_bytes(data)
        locations.append(ImageLocation(str(folder / f"{number}.tif")))
    reader = ImageReader(Preprocessing((16, 16), max_pixels=1_000_000), 1)
    try:
        reading = reader.read(locations)
    finally:
        reader.close()
    return [
        outcome.code if isinstance(outcome, ImageError) else pixels.tobytes()
        for outcome, pixels in zip(reading.outcomes, reading.pixels, strict=True)
    ]


def test_intact_pictures_are_decoded(tmp_path: Path) -> None:
    assert all(isinstance(each, bytes) for each in _read(tmp_path, list(SEEDS.values())))


def test_a_bad_code_word_is_reported_as_damage(tmp_path: Path) -> None:
    data = bytearray(SEEDS["group4"])
    with Image.open(io.BytesIO(SEEDS["group4"])) as image:
        start = image.tag_v2[273][0]
    data[start + 40] = 0
    assert _read(tmp_path, [bytes(data), SEEDS["group4"]])[0] == "corrupt"


def _damaged(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3))):
        changed[rng.randrange(8, len(data))] = rng.choice((0, 255, rng.randrange(256)))
    return bytes(changed)


@pytest.mark.skipif(
    int(PIL.__version__.partition(".")[0]) < 13,
    reason="Pillow 12 shows memory that was never written for some damaged TIFF files",
)
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(each, marks=pytest.mark.slow) for each in (1, 2, 3))]
)
def test_no_result_depends_on_uninitialised_memory(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    pictures = [_damaged(data, rng) for data in SEEDS.values() for _ in range(30)]
    found = []
    for poison in ("17", "203"):
        monkeypatch.setenv("MALLOC_PERTURB_", poison)
        found.append(_read(tmp_path, pictures))
    assert os.environ["MALLOC_PERTURB_"] == "203"
    assert found[0] == found[1]
    assert "corrupt" in found[0]
