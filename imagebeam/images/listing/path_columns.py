"""Values that `--keep` takes from the path of an image: its folder, and Hive's partitions."""

from collections.abc import Sequence

FOLDER = "folder"
"""The column that holds the name of the folder that an image is in."""


def available(path: str, columns: Sequence[str]) -> bool:
    """Return whether the path of an image has a value for each of the columns."""
    return all(column == FOLDER or partition(path, column) is not None for column in columns)


def values(path: str, columns: Sequence[str]) -> tuple[str | None, ...]:
    """Return the values of columns: `cats` for `folder`, `2024` for `year` in `year=2024/cats/`.

    Args:
        path: of the image, with slashes between its parts.
        columns: names of the columns.
    """
    parts = path.split("/")
    folder = parts[-2] if len(parts) > 1 else None
    return tuple(folder if column == FOLDER else partition(path, column) for column in columns)


def partition(path: str, column: str) -> str | None:
    """Return the value of one of Hive's partitions; None if the path has none of that name."""
    prefix = f"{column}="
    for part in reversed(path.split("/")[:-1]):
        if part.startswith(prefix):
            return part[len(prefix) :]
    return None
