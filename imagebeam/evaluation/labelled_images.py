"""Read labelled images from folders of classes or from a table."""

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebeam.images import uris
from imagebeam.images.errors import InputError
from imagebeam.images.listing import inputs


@dataclass(frozen=True)
class Labelled:
    """An image and its class, as a folder or a table names it."""

    uri: str
    label: str


def read(path: Path) -> list[Labelled]:
    """Read a folder with one folder per class, or a CSV file with the columns `uri` and `label`.

    Raises:
        InputError: `path` is neither, is empty, or has an image without a class.
    """
    found = _from_csv(path) if path.suffix.lower() == ".csv" else _from_folders(path)
    if not found:
        raise InputError(
            f"{str(path)!r}: it has no labelled image. Give folders of classes or a CSV file."
        )
    return found


def _from_folders(path: Path) -> list[Labelled]:
    if not path.is_dir():
        raise InputError(
            f"{str(path)!r}: not a folder and not a .csv file. "
            "Give a folder with one folder per class, or a CSV file with the columns uri and label."
        )
    base = os.path.abspath(path)
    found = []
    for source in inputs.sources([str(path)]):
        for listed in source:
            if listed.error is not None:
                raise InputError(f"{listed.uri}: {listed.error}. Check its permissions.")
            folder, *below = os.path.relpath(uris.to_path(listed.uri), base).split(os.sep)
            if not below:
                raise InputError(
                    f"{listed.uri}: is beside the folders of classes, so its class is "
                    "unknown. Move it into the folder of its class."
                )
            found.append(Labelled(listed.uri, folder))
    return found


def _from_csv(path: Path) -> list[Labelled]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            missing = {"uri", "label"} - set(rows.fieldnames or ())
            if missing:
                columns = ", ".join(map(repr, rows.fieldnames or ())) or "no columns"
                raise InputError(
                    f"{str(path)!r}: no column {' and no column '.join(sorted(missing))}; it has "
                    f"{columns}. Name the columns uri and label in the first line, separated by a "
                    "comma."
                )
            return [_from_row(row, path, rows.line_num) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{str(path)!r}: {error}. Give a CSV file in UTF-8.") from error


def _from_row(row: Mapping[str, str | None], path: Path, line: int) -> Labelled:
    uri, label = row["uri"], row["label"]
    if not uri or not label:
        raise InputError(f"{str(path)!r}: line {line} lacks uri or label. Fill in both.")
    return Labelled(uris.from_entry(uri, os.path.dirname(os.path.abspath(path))), label)


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
        if not indices and label.isdecimal() and int(label) < class_count:
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
