"""Write manifests, and read what they name."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.images.listing.manifests import manifest_files
from imagebeam.images.listing.manifests.entries import ManifestEntry, ManifestError

Found = list[tuple[str, str]]


def read(path: Path) -> Found:
    """Return position and name of each entry; code and message if there is no name."""
    with path.open("rb") as file:
        return [
            (entry.position, entry.value)
            if isinstance(entry.value, str)
            else (entry.position, f"{entry.value.code}: {entry.value}")
            for entry in manifest_files.read(file, path.name)
            if entry.value is not None
        ]


def entries(path: Path) -> list[ManifestEntry]:
    with path.open("rb") as file:
        return list(manifest_files.read(file, path.name))


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "list.parquet", **options)
    return folder / "list.parquet"


def refusal(path: Path) -> str:
    with path.open("rb") as file, pytest.raises(ManifestError) as caught:
        list(manifest_files.read(file, path.name))
    return str(caught.value)
