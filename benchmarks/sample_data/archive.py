"""Make the sample archive: drawn pictures in the formats, sizes and states of real archives.

Folders are named after places, not classes; a table beside the archive has the classes. Some files
are broken on purpose.
"""

import csv
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.sample_data.drawings import CLASSES, draw
from benchmarks.sample_data.encodings import BULK, SPECIAL, Encoding
from imagebeam.storage.atomic_files import atomic_folder, write_file

SEED = 1
TAR_NAME = "holiday.tar"
PICTURES_PER_CLASS = 12
TAR_PICTURES_PER_CLASS = 2

_PLACES = {
    "garden": ("apple", "butterfly", "cactus", "flower", "leaf", "mushroom", "tree"),
    "kitchen": ("clock", "cup", "key", "light bulb"),
    "street/morning": ("bicycle", "car", "cat", "house"),
    "street/after the rain": ("rain cloud", "snowman", "umbrella"),
    "harbour, 2nd day": ("boat", "fish"),
    "summer fair": ("balloon", "ice cream", "rocket", "star"),
}
_SIZES = (
    (150, 200),
    (160, 160),
    (200, 150),
    (180, 240),
    (180, 320),
    (240, 180),
    (213, 320),
    (320, 240),
)
_TAR_SIZE = (150, 200)
_GRAIN = 4.0  # noise makes files larger, so the archive has less of it than the training


def write_archive(archive: Path, truth: Path) -> None:
    """Draw the archive and replace an older one.

    Args:
        archive: Folder to make: pictures in folders by place, `holiday.tar`, broken files.
        truth: CSV file to make beside it: columns `uri` (relative to the table; `TAR!/MEMBER` in
            the tar) and `label`; one row per picture that is not broken.
    """
    rng = np.random.default_rng(SEED)
    with atomic_folder(archive, replace=True) as folder:
        labels = [*_write_folders(folder, rng), *_write_tar(folder / TAR_NAME, rng)]
        _write_broken(folder, rng)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("uri", "label"))
    table.writerows(sorted((f"{archive.name}/{name}", label) for name, label in labels))
    write_file(truth, text.getvalue().encode())


def _write_folders(root: Path, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    places = {label: place for place, labels in _PLACES.items() for label in labels}
    order = rng.permutation(len(CLASSES) * PICTURES_PER_CLASS)
    encodings = [*SPECIAL, *(BULK[i % len(BULK)] for i in range(len(order) - len(SPECIAL)))]
    for number, (index, encoding) in enumerate(zip(order, encodings, strict=True)):
        label = CLASSES[index % len(CLASSES)]
        size = encoding.size or _SIZES[int(rng.integers(len(_SIZES)))]
        name = f"{places[label]}/IMG_{2001 + number}{encoding.suffix}"
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_picture(label, rng, size, encoding))
        yield name, label


def _write_tar(path: Path, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    order = rng.permutation(len(CLASSES) * TAR_PICTURES_PER_CLASS)
    with tarfile.open(path, "w") as tar:
        for number, index in enumerate(order):
            label, encoding = CLASSES[index % len(CLASSES)], BULK[number % len(BULK)]
            member = tarfile.TarInfo(f"holiday/P{1001 + number}{encoding.suffix}")
            content = _picture(label, rng, encoding.size or _TAR_SIZE, encoding)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            yield f"{TAR_NAME}!/{member.name}", label


def _picture(
    label: str, rng: np.random.Generator, size: tuple[int, int], encoding: Encoding
) -> bytes:
    pixels = draw(CLASSES.index(label), rng, *size, grain=_GRAIN)
    return encoding.encode(Image.fromarray(pixels))


def _write_broken(root: Path, rng: np.random.Generator) -> None:
    """Write files that no decoder must accept as pictures."""
    whole = _picture("apple", rng, (180, 240), BULK[0])
    (root / "garden" / "IMG_3001.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "garden" / "IMG_3002.png").write_bytes(b"")
    (root / "kitchen" / "IMG_3003.jpg").write_text(
        "<!doctype html><title>404</title><p>This picture has moved.\n", encoding="utf-8"
    )
    (root / "kitchen" / "IMG_3004.png").write_bytes(rng.bytes(2_000))
    (root / "street" / "morning" / "IMG_3005.jpg").write_text(
        "Shopping list: bread, butter, film for the camera.\n", encoding="utf-8"
    )
    (root / "street" / "morning" / "IMG_3006.webp").write_bytes(b"RIFF\x10\x00\x00\x00WEBPVP8 ")
