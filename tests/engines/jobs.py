"""The job that every runner runs, and its inputs and output in a bucket."""

from pathlib import Path

from imagebeam.storage.location import AnyPath, Location

EVERYTHING = ("--emit", "labels,logits,features")
SHARDS = ("--images-per-shard", 2)
"""As many shards as possible, so that a process can be killed between them."""


def uploaded(place: Location, *folders: Path) -> Location:
    """Copy the files of these folders to a bucket; return the place."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                (place / folder.name / str(path.relative_to(folder))).write_bytes(path.read_bytes())
    return place


def bucket_parts(output: AnyPath) -> dict[str, bytes]:
    """Return the content of every part, by name."""
    return {
        f"{folder}/{part.name}": part.read_bytes()
        for folder in ("predictions", "errors")
        for part in (output / folder).iterdir()
    }
