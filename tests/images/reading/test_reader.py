from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagebeam.images.decode import DecodedImage
from imagebeam.images.errors import ImageError, NotFound
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.decoding_process import DecodeLimits
from imagebeam.images.reading.reader import ImageReader, close_shared_reader, shared_reader
from imagebeam.images.settings import Preprocessing


def size_of(outcome: DecodedImage | ImageError) -> tuple[int, int]:
    """(width, height) of an image that was decoded."""
    assert isinstance(outcome, DecodedImage)
    return outcome.width, outcome.height


@pytest.fixture
def reader() -> Iterator[ImageReader]:
    opened = ImageReader(Preprocessing((4, 5)), 2)
    yield opened
    opened.close()


def test_each_uri_has_its_outcome_in_the_order_given(reader: ImageReader, tmp_path: Path) -> None:
    uris = [str(tmp_path / f"{index}.jpg") for index in range(120)]
    expected: list[int | str] = []
    for index, uri in enumerate(uris):
        match index % 4:
            case 0:
                expected.append("not_found")
            case 1:
                Path(uri).write_text("<html>")
                expected.append("unsupported_format")
            case _:
                Image.new("L", (12, 10), index).save(uri, "PNG")
                expected.append(index)
    found: list[int | str] = []
    reading = reader.read([*map(ImageLocation, uris)])
    assert reading.pixels.dtype == np.uint8
    assert reading.pixels.shape == (120, 4, 5, 3)
    for picture, outcome in zip(reading.pixels, reading.outcomes, strict=True):
        if isinstance(outcome, ImageError):
            found.append(outcome.code)
        else:
            assert size_of(outcome) == (12, 10)
            assert outcome.pixels is picture or np.array_equal(outcome.pixels, picture)
            found += np.unique(picture).tolist()
    assert found == expected
    assert list(reading.costs) == ["fetch", "decode"]
    assert all(min(cost) > 0 for cost in reading.costs.values())


def test_nothing_to_read(reader: ImageReader) -> None:
    reading = reader.read([])
    assert (reading.pixels.shape, reading.outcomes, reading.costs) == ((0, 4, 5, 3), [], {})


def test_who_asks_for_the_same_shares_a_reader_until_it_is_closed() -> None:
    asked = (Preprocessing((4, 5)), 1, DecodeLimits())
    first = shared_reader(*asked)
    assert shared_reader(Preprocessing((4, 5)), 1, DecodeLimits()) is first
    close_shared_reader()
    second = shared_reader(*asked)
    assert second is not first
    assert shared_reader(Preprocessing((4, 6)), 1, DecodeLimits()) is not second
    close_shared_reader()


def test_processes_that_were_started_ahead_read_as_others_do(tmp_path: Path) -> None:
    reader = ImageReader(Preprocessing((4, 5)), 2)
    reader.start()
    [outcome] = reader.read([ImageLocation(str(tmp_path / "none.jpg"))]).outcomes
    assert isinstance(outcome, NotFound)
    reader.close()


def _draw(folder: Path, count: int) -> list[ImageLocation]:
    names = [str(folder / f"{index}.png") for index in range(count)]
    for index, name in enumerate(names):
        Image.new("L", (12, 10), index).save(name)
    return [*map(ImageLocation, names)]


def test_what_was_read_ahead_is_there_when_it_is_asked_for(tmp_path: Path) -> None:
    names = _draw(tmp_path, 60)
    missing = ImageLocation(str(tmp_path / "none.png"))
    reader = ImageReader(Preprocessing((4, 5)), 1)
    reader.read_ahead([*names[:40], missing])
    # The only decoding process gets to this one when it has done all of those.
    reader.read(names[59:])
    for name in names[:40]:
        Path(name.address).unlink()
    wanted = [*names[50:], *names[10:30], missing, names[10]]
    reading = reader.read(wanted)
    assert [np.unique(picture).tolist() for picture in reading.pixels[:30]] == [
        [value] for value in (*range(50, 60), *range(10, 30))
    ]
    assert [size_of(each) for each in reading.outcomes[:30]] == [(12, 10)] * 30
    # Each is there once: asked for again, it is read again.
    assert [type(outcome) for outcome in reading.outcomes[30:]] == [NotFound, NotFound]
    rest = reader.read(names[:10])
    assert [size_of(each) for each in rest.outcomes] == [(12, 10)] * 10
    # The reading before counted all that its chunk cost.
    assert rest.costs == {}
    reader.close()


def test_no_more_is_read_ahead_than_may_wait_in_memory(tmp_path: Path) -> None:
    names = _draw(tmp_path, 4)
    reader = ImageReader(Preprocessing((2600, 2600)), 1)
    reader.read_ahead(iter(names))
    reader.read([names[3]])
    for name in names:
        Path(name.address).unlink()
    kinds = [type(outcome) for outcome in reader.read(names).outcomes]
    assert kinds == [DecodedImage, DecodedImage, NotFound, NotFound]
    reader.close()
