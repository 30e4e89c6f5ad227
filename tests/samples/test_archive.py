"""Test by decoding that the sample archive is as documented."""

import csv
import io
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageOps, UnidentifiedImageError

from benchmarks.sample_data.archive import TAR_NAME, write_archive
from benchmarks.sample_data.drawings import CLASSES
from imagebeam.samples import ARCHIVE, MODULE, TRUTH

_EXIF_ORIENTATION = 0x0112
_BROKEN = {
    "garden/IMG_3001.jpg",
    "garden/IMG_3002.png",
    "kitchen/IMG_3003.jpg",
    "kitchen/IMG_3004.png",
    "street/morning/IMG_3005.jpg",
    "street/morning/IMG_3006.webp",
}


def _files(archive: Path) -> dict[str, bytes]:
    """Return every file outside the tar, by its path in the archive."""
    return {
        path.relative_to(archive).as_posix(): path.read_bytes()
        for path in archive.rglob("*")
        if path.is_file() and path.name != TAR_NAME
    }


def _members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive / TAR_NAME) as tar:
        return {f"{TAR_NAME}!/{member.name}": _content(tar, member) for member in tar.getmembers()}


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _truth(path: Path = TRUTH) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["uri"].partition("/")[2]: row["label"] for row in rows}


def _pictures() -> Iterator[Image.Image]:
    for uri, content in _files(ARCHIVE).items():
        if uri not in _BROKEN:
            picture = Image.open(io.BytesIO(content))
            picture.load()
            yield picture


def test_the_truth_file_lists_exactly_the_pictures() -> None:
    pictures = (_files(ARCHIVE).keys() - _BROKEN) | _members(ARCHIVE).keys()

    assert _truth().keys() == pictures


def test_truth_is_relative_to_its_own_folder() -> None:
    with TRUTH.open(encoding="utf-8", newline="") as file:
        folders = {row["uri"].partition("/")[0] for row in csv.DictReader(file)}

    assert {TRUTH.parent / folder for folder in folders} == {ARCHIVE}


def test_every_class_is_there_equally_often() -> None:
    in_folders = Counter(label for uri, label in _truth().items() if "!/" not in uri)
    in_tar = Counter(label for uri, label in _truth().items() if "!/" in uri)

    assert in_folders == dict.fromkeys(CLASSES, 12)
    assert in_tar == dict.fromkeys(CLASSES, 2)


def test_formats_and_modes_are_counted_by_decoding() -> None:
    formats = Counter((picture.format, picture.mode) for picture in _pictures())

    assert formats == {
        ("JPEG", "RGB"): 189,
        ("JPEG", "CMYK"): 1,
        ("JPEG", "L"): 1,
        ("WEBP", "RGB"): 68,
        ("PNG", "P"): 22,
        ("PNG", "RGB"): 1,
        ("PNG", "RGBA"): 1,
        ("PNG", "I;16"): 1,
        ("GIF", "P"): 1,
        ("BMP", "RGB"): 1,
        ("TIFF", "RGB"): 1,
        ("TIFF", "P"): 1,
    }


def test_seven_pictures_were_taken_with_the_camera_turned_or_mirrored() -> None:
    orientations = [picture.getexif().get(_EXIF_ORIENTATION) for picture in _pictures()]

    assert sorted(value for value in orientations if value) == [2, 3, 4, 5, 6, 7, 8]


def test_sizes_and_aspects_differ() -> None:
    sizes = {ImageOps.exif_transpose(picture).size for picture in _pictures()}

    assert {(200, 150), (160, 160), (150, 200), (240, 180), (320, 180), (180, 240)} <= sizes
    assert max(max(size) for size in sizes) == 320
    assert min(min(size) for size in sizes) == 96


def test_members_of_the_tar_can_be_decoded() -> None:
    formats = Counter(
        Image.open(io.BytesIO(content)).format for content in _members(ARCHIVE).values()
    )

    assert formats == {"JPEG": 32, "WEBP": 12, "PNG": 4}


@pytest.mark.parametrize("uri", sorted(_BROKEN))
def test_the_broken_files_cannot_be_decoded(uri: str) -> None:
    with pytest.raises((UnidentifiedImageError, OSError)):
        Image.open(io.BytesIO((ARCHIVE / uri).read_bytes())).load()


def test_folders_are_named_by_place() -> None:
    places = {str(Path(uri).parent) for uri in _files(ARCHIVE)}

    assert places == {
        "garden",
        "kitchen",
        "street/morning",
        "street/after the rain",
        "harbour, 2nd day",
        "summer fair",
    }


def test_archive_and_module_are_small() -> None:
    files = [path for folder in (ARCHIVE, MODULE) for path in folder.rglob("*") if path.is_file()]

    assert sum(path.stat().st_size for path in [*files, TRUTH]) <= 4_000_000


def test_drawing_the_archive_again_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_archive(tmp_path / name, tmp_path / f"{name}.csv")

    assert _files(tmp_path / "first") == _files(tmp_path / "second")
    assert _members(tmp_path / "first") == _members(tmp_path / "second")
    assert _truth(tmp_path / "first.csv") == _truth(tmp_path / "second.csv") == _truth()


def test_an_older_archive_is_replaced(tmp_path: Path) -> None:
    old = tmp_path / "archive" / "old.jpg"
    old.parent.mkdir()
    old.write_bytes(b"old")

    write_archive(tmp_path / "archive", tmp_path / "truth.csv")

    assert not old.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "truth.csv"]
