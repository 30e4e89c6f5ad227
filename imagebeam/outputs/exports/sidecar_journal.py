"""The journal of sidecars: every file and folder is recorded before it is made or changed."""

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.layout import Layout, unusable
from imagebeam.storage.atomic_files import write_file
from imagebeam.storage.regular_files import open_regular

_LONGEST_LINE = 1 << 26
"""Bytes: a line holds a sidecar as it was before, which has 16 MB at most."""

_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


def _open_own(path: str, flags: int) -> int:
    # A link would be followed to a file that this package has not written.
    return open_regular(path, flags | os.O_NOFOLLOW)


class SidecarEntry(NamedTuple):
    """A sidecar that was written.

    Attributes:
        digests: the digests of the contents that it may have.
        before: content before the first change; None if there was no file.
    """

    digests: frozenset[str]
    before: bytes | None


class SidecarChange(NamedTuple):
    """A sidecar to be written.

    Attributes:
        content: the content that it gets.
        before: content before the first change; None if there was no file.
        is_new: whether there is no file.
        folders: the folders that must be made for it, the outermost first.
    """

    path: str
    content: bytes
    before: bytes | None
    is_new: bool
    folders: tuple[str, ...]


class Journal:
    """The files that were written, and those that were there before.

    Attributes:
        files: by path.
        folders: the folders that were made.
    """

    def __init__(self, layout: Layout) -> None:
        if not isinstance(layout.root, Path):
            raise OutputError(
                f"{layout.root}: sidecars need an output on a local disk. Copy it, then export it."
            )
        assert isinstance(layout.sidecars, Path)
        self._path = layout.sidecars
        self._layout = layout
        self.files: dict[str, SidecarEntry] = {}
        self.folders: set[str] = set()

    def read(self) -> bool:
        """Read what was written earlier; return whether there is anything."""
        try:
            with open(self._path, "r+b", opener=_open_own) as file:
                end = 0
                while line := file.readline(_LONGEST_LINE):
                    if len(line) == _LONGEST_LINE:
                        raise ValueError("a line is too long")
                    # The last line is incomplete if the process was killed while it wrote the
                    # line. Nothing of it was done yet, and it must not run into the next line.
                    if line.endswith(b"\n"):
                        self._add(json.loads(line))
                        end += len(line)
                file.truncate(end)
        except FileNotFoundError:
            return False
        except _DAMAGE as error:
            raise OutputError(
                f"{self._path}: damaged ({error}). Delete it, and remove sidecars by hand."
            ) from error
        return bool(self.files or self.folders)

    def _add(self, line: dict[str, str | None]) -> None:
        if (folder := line.get("folder")) is not None:
            self.folders.add(folder)
            return
        path, digest, before = line["file"], line["sha256"], line["before"]
        if not isinstance(path, str) or not isinstance(digest, str):
            raise TypeError("a line has no file or no digest")
        known = self.files.get(path, SidecarEntry(frozenset(), None)).digests
        content = None if before is None else base64.b64decode(before)
        self.files[path] = SidecarEntry(known | {digest}, content)

    def append(self, group: list[SidecarChange]) -> None:
        """Record changes before they are made."""
        lines: list[dict[str, str | None]] = []
        for change in group:
            lines += [{"folder": folder} for folder in change.folders]
            digest = hashlib.sha256(change.content).hexdigest()
            lines.append(_line(change.path, digest, change.before))
        for line in lines:
            self._add(line)
        try:
            with open(self._path, "ab", opener=_open_own) as file:
                file.write(_encoded(lines))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unusable(self._layout, error) from error

    def rewrite(self) -> None:
        """Keep what could not be undone; remove the journal if nothing is left."""
        if not self.files:
            self._path.unlink()
            return
        lines = [
            _line(path, digest, entry.before)
            for path, entry in self.files.items()
            for digest in sorted(entry.digests)
        ]
        folders = [{"folder": folder} for folder in self.folders if os.path.isdir(folder)]
        write_file(self._path, _encoded([*folders, *lines]))


def _line(path: str, digest: str, before: bytes | None) -> dict[str, str | None]:
    encoded = None if before is None else base64.b64encode(before).decode()
    return {"file": path, "sha256": digest, "before": encoded}


def _encoded(lines: Iterable[Mapping[str, str | None]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
