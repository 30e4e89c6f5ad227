"""Names the files of an output folder.

DIR/predictions/part-ID.parquet   rows of labelled images (or .tfrecord)
DIR/errors/part-ID.parquet        rows of failed images
DIR/summary.json                  the summary; present when the job is complete
DIR/report.html                   the page that `imagebeam report` writes
DIR/job/                          the job's own files: identity, plan, module
"""

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from imagebeam.outputs.documents import own_file, read_document
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.files import stats, temporaries
from imagebeam.storage import AnyPath, Location
from imagebeam.storage.location import Stat

Format = Literal["parquet", "tfrecord"]
FORMATS: tuple[Format, ...] = get_args(Format)


class _Name:
    """A name below the root of an output."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, layout: "Layout", _: type) -> AnyPath:
        return layout.root / self._name


@dataclass(frozen=True)
class Layout:
    """The names in one output folder, local or in a store.

    Attributes:
        root: the folder, absolute.
        format: the format of the predictions; errors are always Parquet.
    """

    root: AnyPath
    format: Format = "parquet"

    predictions = _Name("predictions")
    """Folder of the parts with labelled images."""
    errors = _Name("errors")
    """Folder of the parts with failed images."""
    job = _Name("job")
    """Folder of the job's own files."""
    summary = _Name("summary.json")
    """The summary, written last."""
    report = _Name("report.html")
    """The page that shows the output."""
    report_files = _Name("report.files")
    """Folder of the rows that do not fit into the page."""
    identity = _Name("job/identity.json")
    """The identity: what two runs of one job have in common."""
    plan = _Name("job/plan.json")
    """The plan: what the latest run has to do."""
    run = _Name("job/run.json")
    """The run that the output belongs to."""
    compaction = _Name("job/compaction.json")
    """The journal of a compaction; present while one is unfinished."""
    lease = _Name("job/lease.json")
    """The lease of the process that writes to an output in a store."""
    stdin = _Name("job/stdin.txt")
    """Copy of a manifest that came through standard input."""
    log = _Name("job/log.txt")
    """Messages of the libraries in the submitting process."""
    sidecars = _Name("job/sidecars.jsonl")
    """The journal of XMP sidecars that `imagebeam export` wrote."""

    def module(self, digest: str, suffix: str) -> AnyPath:
        """Return the module that the workers load."""
        return self.job / f"module-{digest.removeprefix('sha256:')[:16]}{suffix}"

    def prediction_part(self, shard_id: str) -> AnyPath:
        """Return one shard's labelled images."""
        return self.predictions / f"part-{shard_id}.{self.format}"

    def error_part(self, shard_id: str) -> AnyPath:
        """Return one shard's failed images."""
        return self.errors / f"part-{shard_id}.parquet"

    def prediction_parts(self) -> Iterator[AnyPath]:
        """Yield the finished parts, in no order."""
        return self._parts(self.predictions, f".{self.format}")

    def error_parts(self) -> Iterator[AnyPath]:
        """Yield the finished parts, in no order."""
        return self._parts(self.errors, ".parquet")

    def part_stats(self) -> dict[str, dict[AnyPath, Stat]]:
        """Return bytes and times of all finished parts, by the name of their folder."""
        return {
            "predictions": stats(self.predictions, self.prediction_parts()),
            "errors": stats(self.errors, self.error_parts()),
        }

    def _parts(self, folder: AnyPath, suffix: str) -> Iterator[AnyPath]:
        replaced = self.replaced_parts()
        try:
            for name in _names(folder):
                is_part = name.startswith("part-") and name.endswith(suffix)
                if is_part and (part := folder / name) not in replaced:
                    yield part
        except FileNotFoundError:
            return

    def replaced_parts(self) -> frozenset[AnyPath]:
        """Return the parts whose rows are all in a joined part too, and which count no more.

        Raises:
            OutputError: the journal of the compaction that joined them is damaged.
        """
        try:
            with own_file(self.compaction, "Delete it, then run `imagebeam verify`."):
                noted = read_document(self.compaction)
                if noted["target"] is None:
                    return frozenset()
                target, *sources = (
                    self.root / _part_name(name) for name in (noted["target"], *noted["sources"])
                )
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()
        return frozenset(sources) if target.exists() else frozenset()


def _part_name(name: str) -> str:
    # Files that the journal names are deleted, so it must not name anything but parts.
    if not _PART_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a part")
    return name


def _names(folder: AnyPath) -> Iterator[str]:
    if isinstance(folder, Location):
        yield from (path.name for path in folder.iterdir())
        return
    with os.scandir(folder) as entries:
        # A pipe or a device would block its reader.
        yield from (entry.name for entry in entries if _is_file(entry))


def _is_file(entry: os.DirEntry[str]) -> bool:
    # Asked about a link to itself, the entry raises an error.
    return os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file()


def unusable(layout: Layout, error: OSError) -> OutputError:
    """Return the error for an output folder that the file system refuses."""
    place = error.filename or layout.root
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            f"{place}: {error.strerror}. Free disk space, or choose another --output. `imagebeam "
            "doctor` with the same arguments estimates how much is needed."
        )
    return OutputError(
        f"{place}: {error.strerror or error}. Choose an --output that can be written."
    )


def remove_temporaries(layout: Layout) -> None:
    """Delete the temporary files of a run that was killed while it wrote."""
    for folder in (layout.predictions, layout.errors, layout.job, layout.root):
        for leftover in temporaries(folder):
            leftover.unlink(missing_ok=True)


_PART_NAME = re.compile(r"(predictions|errors)/part-[^/]+")
