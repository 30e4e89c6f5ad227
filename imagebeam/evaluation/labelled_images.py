"""Read labelled images from folders of classes or from a table."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from imagebeam.images import uris
from imagebeam.images.containers.errors import ContainerError
from imagebeam.images.errors import ImageError, InputError
from imagebeam.images.listing.manifests import manifest_files
from imagebeam.images.listing.manifests.entries import URI_COLUMN, ManifestEntry, ManifestError
from imagebeam.images.listing.manifests.entry_addresses import EntryRules, resolve
from imagebeam.images.listing.sources import Source
from imagebeam.storage import StoreError, store_for

_LABEL = "label"
_FORMS = f"a table with the columns {URI_COLUMN} and {_LABEL}: CSV, TSV, JSON lines or Parquet"


@dataclass(frozen=True)
class LabelledImage:
    """An image and its class.

    Attributes:
        label: the label of its class, as a folder or a table names it.
        written: the image's name as the table has it, or its path below the folder.
    """

    uri: str
    label: str
    written: str = ""


def read(path: Path) -> list[LabelledImage]:
    """Read a folder with one folder per class, or a table with the columns `uri` and `label`.

    Raises:
        InputError: `path` is neither, is empty, or has an image without a class.
    """
    found = list(from_folders(path) if path.is_dir() else _from_table(path))
    if not found:
        raise InputError(
            f"{str(path)!r}: it has no labelled image. Give folders of classes, or {_FORMS}."
        )
    return found


def distinct(
    images: Iterable[LabelledImage], name: str, meaning: Callable[[str], object] = str
) -> list[LabelledImage]:
    """Return each image once.

    Args:
        images: with their labels.
        name: the name of the folder or table that they come from.
        meaning: returns the meaning of a label; the labels of one image must have the same.

    Raises:
        InputError: an image has two labels.
    """
    found: dict[str, LabelledImage] = {}
    for each in images:
        earlier = found.setdefault(each.uri, each)
        if meaning(earlier.label) != meaning(each.label):
            raise InputError(
                f"{name!r}: {each.uri!r} has the labels {earlier.label!r} and {each.label!r}. Keep "
                "one of them."
            )
    return list(found.values())


def from_folders(path: Path) -> Iterator[LabelledImage]:
    """Yield the images below a folder, which is named after no class but holds the folders of all.

    Raises:
        InputError: an image is not in the folder of a class, or a folder cannot be listed.
    """
    base = os.path.abspath(path)
    for listed in Source("folder", (uris.from_path(base),)):
        if listed.error is not None:
            raise InputError(f"{listed.uri}: {listed.error}. Check its permissions.")
        folder, *below = os.path.relpath(uris.to_path(listed.uri), base).split(os.sep)
        if not below:
            raise InputError(
                f"{listed.uri}: is beside the folders of classes, so its class is unknown. Move it "
                "into the folder of its class."
            )
        yield LabelledImage(listed.uri, folder, "/".join((folder, *below)))


def _from_table(path: Path) -> Iterator[LabelledImage]:
    try:
        place = str(path.absolute())
        # A pipe or a device is refused: it would block, or have no end.
        with store_for(place).open(place) as opened:
            file = cast(IO[bytes], opened)
            columns = manifest_files.columns(file, path.name)
            if _LABEL not in columns:
                has = ", ".join(map(repr, columns)) or "no columns"
                raise InputError(
                    f"{str(path)!r}: no column `{_LABEL}`; it has {has}. Give {_FORMS}."
                )
            file.seek(0)
            entries = manifest_files.read(file, path.name, {_LABEL: columns[_LABEL]})
            yield from _labelled(entries, path)
    except OSError as error:
        raise InputError(
            f"{str(path)!r}: {error.strerror or error}. Give folders of classes, or {_FORMS}."
        ) from error
    except (ManifestError, StoreError, ContainerError) as error:
        # The cures of manifests name options of jobs.
        reason = str(error).partition(". ")[0]
        raise InputError(f"{str(path)!r}: {reason}. Give {_FORMS}.") from error


def _labelled(entries: Iterable[ManifestEntry], path: Path) -> Iterator[LabelledImage]:
    address = uris.from_path(str(path))
    for entry in entries:
        place = entry.position.replace("=", " ")
        [label] = entry.extra_columns
        try:
            if isinstance(entry.value, ImageError):
                raise entry.value
            if entry.value is not None:
                found = resolve(entry.value, address, os.path.dirname(address), EntryRules())
                if label is None or not str(label).strip():
                    raise InputError(f"{str(path)!r}: {place} lacks a label. Fill it in.")
                yield LabelledImage(found.address, str(label), entry.value.strip())
        except ImageError as error:
            raise InputError(f"{str(path)!r}: {place}: {error}. Correct it.") from error


def class_indices(
    labels: Sequence[str], class_names: Sequence[str] | None, class_count: int
) -> dict[str, int]:
    """Find the class of the module for each label by full name, synonym or number.

    ImageNet names are lists of synonyms, "tench, Tinca tinca". A number is the index of a class.

    Raises:
        InputError: a label matches no class, or several classes.
    """
    known = _indices_by_name(class_names or ())
    found = {}
    for label in sorted(set(labels)):
        indices = known.get(label, [])
        is_number = label.isdecimal() and len(label) < 20
        if not indices and is_number and int(label) < class_count:
            indices = [int(label)]
        if len(indices) != 1:
            meaning = f"classes {', '.join(map(str, indices))}" if indices else "no class"
            raise InputError(
                f"{label!r}: matches {meaning} of the module. Use a name that "
                "`imagebeam module show --json` lists, or the number of the class."
            )
        found[label] = indices[0]
    return found


def _indices_by_name(class_names: Sequence[str]) -> dict[str, list[int]]:
    synonyms: dict[str, list[int]] = {}
    whole: dict[str, list[int]] = {}
    for index, name in enumerate(class_names):
        whole.setdefault(name, []).append(index)
        for synonym in name.split(", "):
            synonyms.setdefault(synonym, []).append(index)
    return {**synonyms, **whole}
