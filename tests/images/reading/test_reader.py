import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagebeam.images.decoded_image import DecodedImage
from imagebeam.images.errors import ImageError, NotFound
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.listing.sources import Source
from imagebeam.images.reading.reader import ImageReader, chunk_size
from imagebeam.images.settings import Preprocessing
from tests.images.containers.archives import zipped


def size_of(outcome: DecodedImage | ImageError) -> tuple[int, int]:
    """Return (width, height) of a decoded image."""
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


def test_digests_are_those_of_the_bytes_also_of_images_that_fail(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(40)]
    for index, path in enumerate(paths):
        match index % 4:
            case 0:
                path.write_bytes(b"<html>%d" % index)
            case 1:
                continue
            case _:
                Image.new("L", (12, 10), index).save(path, "PNG")
    opened = ImageReader(Preprocessing((4, 5), digest="sha256"), 2)
    # One process reads local files itself, and receives the bytes of others.
    members = tmp_path / "a.zip"
    members.write_bytes(zipped({"a.jpg": b"not a picture"}))
    [zipped_image] = Source("container", (str(members),))
    assert isinstance(zipped_image.location, ImageLocation)
    reading = opened.read([*(ImageLocation(str(path)) for path in paths), zipped_image.location])
    opened.close()
    contents = [path.read_bytes() if path.exists() else None for path in paths]
    expected = [
        bytes(32) if data is None else hashlib.sha256(data).digest()
        for data in (*contents, b"not a picture")
    ]
    assert [digest.tobytes() for digest in reading.digests] == expected
    assert reading.final_urls == [""] * 41


def test_bytes_of_another_digest_are_refused(reader: ImageReader, tmp_path: Path) -> None:
    Image.new("L", (12, 10)).save(tmp_path / "a.png")
    digest = hashlib.md5((tmp_path / "a.png").read_bytes()).hexdigest()
    stated = [f"md5:{digest}", "md5:" + "0" * 32, ""]
    wanted = [ImageLocation(str(tmp_path / "a.png"), digest=each) for each in stated]
    first, second, third = reader.read(wanted).outcomes
    assert size_of(first) == size_of(third) == (12, 10)
    assert isinstance(second, ImageError)
    assert (second.code, second.retryable) == ("digest_mismatch", True)
    assert str(second) == f"its md5 is {digest}, and the manifest says {'0' * 32}"


@pytest.mark.parametrize(
    ("images", "processes", "side", "size"),
    [
        (200, 1, 160, 52),
        (282, 2, 160, 36),
        (4000, 1, 160, 64),
        (4000, 64, 160, 16),
        (10, 2, 160, 16),
        (4000, 1, 300, 28),
        (4000, 1, 1000, 16),
    ],
)
def test_few_processes_get_many_images_at_once_unless_they_are_large(
    images: int, processes: int, side: int, size: int
) -> None:
    assert chunk_size(images, processes, (side, side)) == size


def test_an_empty_request_has_no_outcomes(reader: ImageReader) -> None:
    reading = reader.read([])
    assert (reading.pixels.shape, reading.outcomes, reading.costs) == ((0, 4, 5, 3), [], {})


def test_processes_started_in_advance_read_like_others(tmp_path: Path) -> None:
    reader = ImageReader(Preprocessing((4, 5)), 2)
    reader.start()
    [outcome] = reader.read([ImageLocation(str(tmp_path / "none.jpg"))]).outcomes
    assert isinstance(outcome, NotFound)
    reader.close()


def _interpreter(path: Path, script: str) -> str:
    """Write an executable that stands in for Python."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


def _read_pictures(tmp_path: Path) -> list[DecodedImage | ImageError]:
    for index in range(40):
        Image.new("L", (12, 10), index).save(tmp_path / f"{index}.png")
    reader = ImageReader(Preprocessing((4, 5)), 3)
    try:
        return reader.read(
            [ImageLocation(str(tmp_path / f"{index}.png")) for index in range(40)]
        ).outcomes
    finally:
        reader.close()


def test_fewer_decoding_processes_than_wanted_do_the_work_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    script = f'mkdir "{tmp_path}/first" 2>/dev/null && exec {sys.executable} "$@"; exit 7'
    monkeypatch.setattr(sys, "executable", _interpreter(tmp_path / "python", script))
    outcomes = _read_pictures(tmp_path)
    assert [size_of(outcome) for outcome in outcomes] == [(12, 10)] * 40
    warnings = [record.getMessage() for record in caplog.records]
    assert "1 of 3 decoding processes are used: no more can be started" in warnings[-1]
    assert "it ended with exit code 7" in warnings[-1]


def test_no_decoding_process_is_an_error_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", _interpreter(tmp_path / "python", "exit 7"))
    with pytest.raises(OSError, match="no decoding process can be started: it ended with exit"):
        _read_pictures(tmp_path)
