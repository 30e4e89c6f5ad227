from pathlib import Path

import numpy as np

from imagebeam.images.decode import decode
from imagebeam.images.decoded_image import DecodedImage
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.decoding_child import read_image
from imagebeam.images.settings import Preprocessing
from imagebeam.images.stage_times import Meter
from tests.images.encoding import encode, smooth


def picture_of(path: Path, preprocessing: Preprocessing) -> DecodedImage:
    outcome = read_image(ImageLocation(str(path)), preprocessing, Meter())
    assert isinstance(outcome, DecodedImage)
    return outcome


def code_of(path: Path, preprocessing: Preprocessing) -> str:
    outcome = read_image(ImageLocation(str(path)), preprocessing, Meter())
    assert isinstance(outcome, ImageError)
    return outcome.code


def test_it_fetches_and_decodes(tmp_path: Path) -> None:
    data = encode(smooth(40, 30), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    found = picture_of(tmp_path / "a.png", Preprocessing((8, 9)))
    assert (found.width, found.height) == (40, 30)
    assert np.array_equal(found.pixels, decode(data, (8, 9)).pixels)


def test_every_option_has_its_effect(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(smooth(40, 30), "PNG"))
    crop = picture_of(path, Preprocessing((8, 9)))
    stretch = picture_of(path, Preprocessing((8, 9), "stretch"))
    assert crop.pixels.shape == stretch.pixels.shape == (8, 9, 3)
    assert not np.array_equal(crop.pixels, stretch.pixels)
    size = path.stat().st_size
    picture_of(path, Preprocessing((8, 8), max_bytes=size))
    assert code_of(path, Preprocessing((8, 8), max_bytes=size - 1)) == "file_too_large"
    picture_of(path, Preprocessing((8, 8), max_pixels=1200))
    assert code_of(path, Preprocessing((8, 8), max_pixels=1199)) == "too_many_pixels"


def test_an_error_keeps_its_text_without_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(smooth(40, 30), "PNG")[:-60])
    error = read_image(ImageLocation(str(path)), Preprocessing((8, 8)), Meter())
    assert isinstance(error, ImageError)
    assert error.code == "truncated"
    assert str(error).startswith(f"ends after {path.stat().st_size:,} bytes (")
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)


def test_exceptions_are_outcomes(tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_text("<html>")
    assert code_of(tmp_path / "page.jpg", Preprocessing((8, 8))) == "unsupported_format"
    assert code_of(tmp_path / "none.jpg", Preprocessing((8, 8))) == "not_found"
