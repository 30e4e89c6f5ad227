"""Names the files of an output folder, and writes and removes them safely.

DIR/predictions/part-ID.parquet   rows of labelled images (or .tfrecord)
DIR/errors/part-ID.parquet        rows of failed images
DIR/summary.json                  the summary; present when the job is complete
DIR/report.html                   the page that `imagebeam report` writes
DIR/job/                          the job's own files: identity, plan, module
"""

import errno
import io
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, get_args

from imagebeam.errors import ImagebeamError
from imagebeam.storage import AnyPath, Location
from imagebeam.storage.atomic_files import atomic_file, leftovers, sync_folder
from imagebeam.storage.errors import describe_unexpected
from imagebeam.storage.location import Stat

Format = Literal["parquet", "tfrecord"]
FORMATS: tuple[Format, ...] = get_args(Format)


class OutputError(ImagebeamError, ValueError):
    """An output folder that cannot be used; the text states value, reason and fix."""


class DamagedPartError(ImagebeamError, RuntimeError):
    """A part that cannot be read back; the text states value, reason and fix."""


@dataclass(frozen=True)
class Layout:
    """The names in one output folder, local or in a store.

    Attributes:
        root: the folder, absolute.
        format: of the predictions; errors are always Parquet.
    """

    root: AnyPath
    format: Format = "parquet"

    @property
    def predictions(self) -> AnyPath:
        """Folder of the parts with labelled images."""
        return self.root / "predictions"

    @property
    def errors(self) -> AnyPath:
        """Folder of the parts with failed images."""
        return self.root / "errors"

    @property
    def job(self) -> AnyPath:
        """Folder of the job's own files."""
        return self.root / "job"

    @property
    def summary(self) -> AnyPath:
        """The summary, written last."""
        return self.root / "summary.json"

    @property
    def report(self) -> AnyPath:
        """The page that shows the output."""
        return self.root / "report.html"

    @property
    def report_files(self) -> AnyPath:
        """Folder of the rows that do not fit into the page."""
        return self.root / "report.files"

    @property
    def identity(self) -> AnyPath:
        """The identity: what two runs of one job have in common."""
        return self.job / "identity.json"

    @property
    def plan(self) -> AnyPath:
        """The plan: what the latest run has to do."""
        return self.job / "plan.json"

    @property
    def run(self) -> AnyPath:
        """The run that the output belongs to."""
        return self.job / "run.json"

    @property
    def compaction(self) -> AnyPath:
        """The journal of a compaction; present while one is unfinished."""
        return self.job / "compaction.json"

    @property
    def lease(self) -> AnyPath:
        """The lease of the process that writes to an output in a store."""
        return self.job / "lease.json"

    @property
    def stdin(self) -> AnyPath:
        """Copy of a manifest that came through standard input."""
        return self.job / "stdin.txt"

    @property
    def log(self) -> AnyPath:
        """Messages of the libraries in the submitting process."""
        return self.job / "log.txt"

    @property
    def sidecars(self) -> AnyPath:
        """The journal of XMP sidecars that `imagebeam export` wrote."""
        return self.job / "sidecars.jsonl"

    def module(self, digest: str, suffix: str) -> AnyPath:
        """The module that the workers load."""
        return self.job / f"module-{digest.removeprefix('sha256:')[:16]}{suffix}"

    def prediction_part(self, shard_id: str) -> AnyPath:
        """One shard's labelled images."""
        return self.predictions / f"part-{shard_id}.{self.format}"

    def error_part(self, shard_id: str) -> AnyPath:
        """One shard's failed images."""
        return self.errors / f"part-{shard_id}.parquet"

    def prediction_parts(self) -> Iterator[AnyPath]:
        """Yield the finished parts, in no order."""
        return self._parts(self.predictions, f".{self.format}")

    def error_parts(self) -> Iterator[AnyPath]:
        """Yield the finished parts, in no order."""
        return self._parts(self.errors, ".parquet")

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
        yield from (entry.name for entry in entries if entry.is_file())


@contextmanager
def own_file(path: AnyPath, fix: str) -> Iterator[None]:
    """Turn every error in the content of an output's own file into one that users can act on.

    Args:
        path: of the file.
        fix: a sentence for the user.

    Raises:
        FileNotFoundError: the file is missing.
        ConnectionError, PermissionError: its store does not answer, or refuses.
        OutputError: the file is damaged; whatever is in it.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, ConnectionError, PermissionError, OutputError):
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, (OSError, ValueError)) else repr(error)
        raise OutputError(f"{path}: damaged ({reason}). {fix}") from error


def read_document(path: AnyPath) -> dict[str, Any]:
    """Read a JSON object of the output.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is not a file with a JSON object, or reading it failed in a way that no code
            expects.
    """
    try:
        return _read_document(path)
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise ValueError(describe_unexpected(error)) from error


def _read_document(path: AnyPath) -> dict[str, Any]:
    if isinstance(path, Location):
        data = path.read_bytes()
    else:
        # Opening a pipe would block until another process writes to it.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("not a regular file")
            data = file.read(_MOST_DOCUMENT_BYTES + 1)
    if len(data) > _MOST_DOCUMENT_BYTES:
        raise ValueError(f"larger than {_MOST_DOCUMENT_BYTES:,} bytes")
    try:
        values = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    return values


_MOST_DOCUMENT_BYTES = 64_000_000


def write_whole(path: AnyPath, data: bytes) -> None:
    """Write a file so that its name never shows part of it, whenever the process dies.

    Raises:
        OSError: as the file system or the store reports it; nothing is left behind.
    """
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_file(path: AnyPath) -> Iterator[IO[bytes]]:
    """Yield a file to write to that gets its name when the block ends, and never before.

    The content of an object in a store is held in memory until then.

    Raises:
        OSError: as the file system or the store reports it; nothing is left behind.
    """
    if isinstance(path, Location):
        buffer = io.BytesIO()
        yield buffer
        path.write_bytes(buffer.getvalue())
        return
    with atomic_file(path) as file:
        yield file


def remove(path: AnyPath) -> None:
    """Remove a file if it exists, so that a power cut does not bring it back."""
    if isinstance(path, Location):
        path.unlink(missing_ok=True)
    elif path.exists():
        path.unlink()
        sync_folder(path.parent)


def remove_all(objects: Iterable[Location]) -> None:
    """Remove objects in parallel, because each one waits for an answer of the store."""
    with ThreadPoolExecutor(_REMOVED_AT_ONCE) as pool:
        for _ in pool.map(remove, objects):
            pass


_REMOVED_AT_ONCE = 16


def stats(folder: AnyPath, parts: Iterable[AnyPath]) -> dict[AnyPath, Stat]:
    """Return bytes and times of parts in a folder, without parts that have just been removed."""
    if isinstance(folder, Location):
        listed: dict[AnyPath, Stat] = dict(folder.stats())
        return {part: listed[part] for part in parts if part in listed}
    found: dict[AnyPath, Stat] = {}
    for part in parts:
        with suppress(FileNotFoundError):
            status = part.stat()
            found[part] = Stat(status.st_size, status.st_mtime)
    return found


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


def temporaries(folder: AnyPath) -> Iterator[Path]:
    """Yield files in a folder that never got their final name; a store has none."""
    return iter(()) if isinstance(folder, Location) else leftovers(folder)


_PART_NAME = re.compile(r"(predictions|errors)/part-[^/]+")
