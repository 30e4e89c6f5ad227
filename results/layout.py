"""Where everything is in an output folder.

DIR/predictions/part-ID.parquet   rows of labelled images (or .tfrecord)
DIR/errors/part-ID.parquet        rows of failed images
DIR/summary.json                  the account; present when the job is complete
DIR/report.html                   the page, if one was asked for
DIR/job/                          what the job keeps for itself: identity, plan, module
"""

import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, get_args

Format = Literal["parquet", "tfrecord"]
FORMATS: tuple[Format, ...] = get_args(Format)


class OutputError(ValueError):
    """An output folder that cannot be used; says value, reason and cure."""


class DamagedPartError(RuntimeError):
    """A part that cannot be read back; says which, why, and the cure."""


@dataclass(frozen=True)
class Layout:
    """The names in one output folder.

    Attributes:
        root: the folder, absolute.
        format: of the predictions; errors are always Parquet.
    """

    root: Path
    format: Format = "parquet"

    @property
    def predictions(self) -> Path:
        """Folder of the parts with labelled images."""
        return self.root / "predictions"

    @property
    def errors(self) -> Path:
        """Folder of the parts with failed images."""
        return self.root / "errors"

    @property
    def job(self) -> Path:
        """Folder of what the job keeps for itself."""
        return self.root / "job"

    @property
    def summary(self) -> Path:
        """The account, written last."""
        return self.root / "summary.json"

    @property
    def report(self) -> Path:
        """The page that shows the output."""
        return self.root / "report.html"

    @property
    def identity(self) -> Path:
        """What makes two runs one job."""
        return self.job / "identity.json"

    @property
    def plan(self) -> Path:
        """What the latest run has to do."""
        return self.job / "plan.json"

    @property
    def run(self) -> Path:
        """Which run the output belongs to."""
        return self.job / "run.json"

    @property
    def compaction(self) -> Path:
        """What a compaction is about to replace; present while one is unfinished."""
        return self.job / "compaction.json"

    @property
    def stdin(self) -> Path:
        """Copy of a manifest that came through standard input."""
        return self.job / "stdin.txt"

    @property
    def log(self) -> Path:
        """What the libraries of the submitting process had to say."""
        return self.job / "log.txt"

    def module(self, digest: str, suffix: str) -> Path:
        """The module that the workers load."""
        return self.job / f"module-{digest.removeprefix('sha256:')[:16]}{suffix}"

    def prediction_part(self, shard_id: str) -> Path:
        """One shard's labelled images."""
        return self.predictions / f"part-{shard_id}.{self.format}"

    def error_part(self, shard_id: str) -> Path:
        """One shard's failed images."""
        return self.errors / f"part-{shard_id}.parquet"

    def prediction_parts(self) -> Iterator[Path]:
        """Finished parts, in no order."""
        return self._parts(self.predictions, f".{self.format}")

    def error_parts(self) -> Iterator[Path]:
        """Finished parts, in no order."""
        return self._parts(self.errors, ".parquet")

    def _parts(self, folder: Path, suffix: str) -> Iterator[Path]:
        replaced = self.replaced_parts()
        try:
            entries = os.scandir(folder)
        except FileNotFoundError:
            return
        with entries:
            for entry in entries:
                is_part = entry.name.startswith("part-") and entry.name.endswith(suffix)
                if is_part and (part := folder / entry.name) not in replaced:
                    yield part

    def replaced_parts(self) -> frozenset[Path]:
        """Parts whose rows all stand in a joined one too, and that count no more.

        Raises:
            OutputError: the note of the compaction that joined them is damaged.
        """
        try:
            noted = json.loads(self.compaction.read_text(encoding="utf-8"))
            if noted["target"] is None:
                return frozenset()
            target, *sources = (
                self.root / _part_name(name) for name in (noted["target"], *noted["sources"])
            )
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()
        except (ValueError, LookupError, TypeError) as error:
            raise OutputError(
                f"{self.compaction}: damaged ({error}). Delete it; `imagebeam verify` then tells "
                "whether an image has two rows."
            ) from error
        return frozenset(sources) if target.exists() else frozenset()


def _part_name(name: str) -> str:
    # Whoever the note is from, files are deleted that it names.
    if not _PART_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no part")
    return name


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that its name never shows part of it, whatever dies when.

    Raises:
        OSError: as the file system reports it; nothing is left behind.
    """
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to that gets its name when the block ends, and never before.

    Raises:
        OSError: as the file system reports it; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{_TEMPORARY}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            # Else a power cut could leave the new name with the old disk's bytes.
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync(folder: Path) -> None:
    """Let what was done to a folder's names survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unusable(layout: Layout, error: OSError) -> OutputError:
    """What to say of an output folder that the file system refuses."""
    return OutputError(
        f"{error.filename or layout.root}: {error.strerror or error}. Choose an --output that can "
        "be written."
    )


def remove_temporaries(layout: Layout) -> None:
    """Delete what a killed run was in the middle of writing."""
    for folder in (layout.predictions, layout.errors, layout.job, layout.root):
        for leftover in temporaries(folder):
            leftover.unlink(missing_ok=True)


def temporaries(folder: Path) -> Iterator[Path]:
    """Files in a folder that were never given their final name."""
    return folder.glob(f".*{_TEMPORARY}")


_TEMPORARY = ".tmp"
_PART_NAME = re.compile(r"(predictions|errors)/part-[^/]+")
