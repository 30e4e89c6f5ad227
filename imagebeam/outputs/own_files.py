"""The files of a job in its output: find foreign ones, delete the job's own."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.files import remove_all, temporaries
from imagebeam.outputs.layout import Layout
from imagebeam.storage import AnyPath, Location
from imagebeam.storage.atomic_files import TEMPORARY
from imagebeam.storage.regular_files import regular_file


def foreign_file(layout: Layout) -> str | None:
    """Return the name of a foreign file, if any.

    A claim that was killed before it wrote the identity leaves a lease and temporary files.
    """
    own = {layout.lease, *temporaries(layout.job)}
    for entry in _by_name(layout.root):
        if entry != layout.job or any(path not in own for path in layout.job.iterdir()):
            return entry.name
    return None


def _by_name(folder: AnyPath) -> Iterable[AnyPath]:
    # A store lists by name and may take hours, but only the first name is needed.
    return folder.iterdir() if isinstance(folder, Location) else sorted(folder.iterdir())


def delete_all(layout: Layout) -> None:
    """Delete the files of an earlier job except its identity, which marks the folder as an output.

    Nothing is deleted if there are files that no job has written. The journal of sidecars stays:
    it belongs to files elsewhere.
    """
    own: list[AnyPath] = []
    for folder in (layout.predictions, layout.errors, layout.job, layout.report_files):
        if isinstance(folder, Path) and folder.is_symlink():
            raise OutputError(
                f"{folder}: is a link, and --overwrite deletes no files of another folder. Remove "
                "the link, or choose another --output."
            )
    for path in _files(layout):
        if not _is_own(path, layout):
            raise OutputError(
                f"{path}: was not written by imagebeam, so --overwrite does not delete it. Move it "
                "elsewhere, or choose another --output."
            )
        if path not in (layout.identity, layout.lease, layout.sidecars):
            own.append(path)
    layout.summary.unlink(missing_ok=True)
    if _is_report(layout.report):
        layout.report.unlink()
    own += _report_files(layout)
    remove_all(own)


def _files(layout: Layout) -> Iterator[AnyPath]:
    for folder in (layout.predictions, layout.errors, layout.job):
        if isinstance(folder, Location):
            yield from folder.below()
        elif folder.exists():
            yield from folder.iterdir()


def _is_report(page: AnyPath) -> bool:
    """Return whether this package wrote a page: a user may have put one there."""
    try:
        with page.open("rb") if isinstance(page, Location) else regular_file(page) as file:
            return b"imagebeam report</title>" in file.read(_HEAD_BYTES)
    except (FileNotFoundError, ValueError):
        return False


_HEAD_BYTES = 4096


def _report_files(layout: Layout) -> list[AnyPath]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return [path for path in layout.report_files.iterdir() if _PAGE.fullmatch(path.name)]
    return []


def _is_own(path: AnyPath, layout: Layout) -> bool:
    if isinstance(path, Path) and path.is_dir() and not path.is_symlink():
        return False
    if path.parent in (layout.predictions, layout.errors):
        return _PART.fullmatch(path.name) is not None
    return path.parent == layout.job and _JOB_FILE.fullmatch(path.name) is not None


_PART = re.compile(rf"part-[0-9a-f]{{32}}\.(parquet|tfrecord)|{TEMPORARY.pattern}", re.DOTALL)


_PAGE = re.compile(r"[0-9a-f]{32}\.html")


_JOB_FILE = re.compile(
    r"(identity|plan|run|compaction|lease|listing-\d+)\.json|stdin\.txt|log\.txt|sidecars\.jsonl"
    rf"|module-[0-9a-f]+\.(tflite|onnx|tar\.gz)|{TEMPORARY.pattern}",
    re.DOTALL,
)
