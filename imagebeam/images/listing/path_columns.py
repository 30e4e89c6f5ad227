"""Values that `--keep` takes from the path of an image: its folder, and Hive's partitions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from imagebeam.images import uris

FOLDER = "folder"
"""The column that holds the name of the folder that an image is in."""

_NULL = "__HIVE_DEFAULT_PARTITION__"


def available(path: str, columns: Sequence[str]) -> bool:
    """Return whether the path of an image has a value for each of the columns."""
    return all(column == FOLDER or has_partition(path, column) for column in columns)


def values(path: str, columns: Sequence[str]) -> tuple[str | None, ...]:
    """Return the values of columns: `cats` for `folder`, `2024` for `year` in `year=2024/cats/`.

    Args:
        path: the path of the image, with slashes between its parts.
        columns: names of the columns.
    """
    parts = path.split("/")
    folder = parts[-2] if len(parts) > 1 else None
    return tuple(folder if column == FOLDER else partition(path, column) for column in columns)


def or_of_path(
    found: Sequence[str | None], path: str, columns: Sequence[str]
) -> tuple[str | None, ...]:
    """Return the values that were found for an image, and those of its path for the others."""
    of_path = values(path, columns)
    return tuple(
        of_name if value is None else value for value, of_name in zip(found, of_path, strict=True)
    )


def partition(path: str, column: str) -> str | None:
    """Return the value of one of Hive's partitions; None if it is null or not in the path."""
    found = _written(path, column)
    return None if found in (None, _NULL) else unquote(found)


def has_partition(path: str, column: str) -> bool:
    """Return whether a path names one of Hive's partitions."""
    return _written(path, column) is not None


def _written(path: str, column: str) -> str | None:
    prefix = f"{column}="
    for part in reversed(path.split("/")[:-1]):
        if part.startswith(prefix):
            return part[len(prefix) :]
    return None


def or_partitions(
    found: Mapping[str, Any], address: str, columns: Iterable[str]
) -> tuple[Any, ...]:
    """Return the values of columns that were found in a table, and the others from its path."""
    return tuple(
        found[name] if name in found else partition(uris.path(address), name) for name in columns
    )
