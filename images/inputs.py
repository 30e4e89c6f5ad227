"""What the user names as INPUT, and the images that it stands for."""

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from images import folders, manifests, uris
from images.errors import BadManifestEntry, InputError, ListingError, UnreadableListing

STDIN = "-"


@dataclass(frozen=True)
class Listed:
    """One name that an input stands for.

    Attributes:
        uri: as `images.uris` makes them.
        problem: why it cannot even be looked for; None for an image.
    """

    uri: str
    problem: ListingError | None = None


@dataclass(frozen=True)
class Source:
    """One thing to list: a folder, a glob, a manifest, or images named one by one.

    Attributes:
        kind: which of these.
        names: URIs; exactly one unless `kind` is `images`. A glob is a path with its wildcards.
        base: URI of the folder that a glob or a manifest's entries start from if relative.
        limit: only so many of its first images are listed; None lists all.
    """

    kind: Literal["folder", "glob", "manifest", "images"]
    names: tuple[str, ...]
    base: str = ""
    limit: int | None = None

    def __iter__(self) -> Iterator[Listed]:
        """The images in a fixed order: by name, or as the manifest has them."""
        return islice(self._all(), self.limit)

    def _all(self) -> Iterator[Listed]:
        match self.kind:
            case "folder":
                yield from _found(folders.walk(uris.to_path(self.names[0])))
            case "glob":
                yield from _found(folders.expand(self.names[0], uris.to_path(self.base)))
            case "manifest":
                yield from _entries(uris.to_path(self.names[0]), uris.to_path(self.base))
            case "images":
                yield from map(Listed, self.names)


def sources(inputs: Sequence[str], stdin_copy: Path | None = None) -> tuple[Source, ...]:
    """What to list for the command line's INPUTs, each checked to hold at least one image.

    Args:
        inputs: as typed: a directory, a glob, an image, a manifest, or `-`.
        stdin_copy: the file that holds what came in where an input is `-`.

    Raises:
        InputError: an input that is missing, empty, unreadable or of an unknown kind.
    """
    found: list[Source] = []
    singles: list[str] = []
    for text in inputs:
        for source in _sources(text, stdin_copy):
            if source.kind == "images":
                singles += source.names
            else:
                found.append(source)
    # A shell's `*.jpg` names thousands: neighbours of one source share shards.
    return (*found, *([Source("images", tuple(singles))] if singles else []))


def _sources(text: str, stdin_copy: Path | None) -> list[Source]:
    if text == STDIN:
        if stdin_copy is None:
            raise InputError("-: standard input was not read. Name the manifest as a file.")
        return [_manifest(str(stdin_copy), ".", text)]
    if (scheme := uris.scheme(text)) != "file":
        raise InputError(
            f"{text}: {scheme}:// inputs cannot be listed. Copy or mount the images, or name "
            "a local folder, glob, image or manifest."
        )
    path = uris.to_path(text)
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        # Only now: a file may be called `a[1].jpg`.
        if glob.has_magic(path):
            return _glob(path, text)
        raise InputError(
            f"{text}: no such file or folder. Check the spelling; put a glob in quotes."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{text}: {reason}. Check its name and permissions.") from error
    if stat.S_ISDIR(mode):
        return [_checked(Source("folder", (uris.from_path(path),)), text)]
    if _is_manifest(path):
        return [_manifest(path, os.path.dirname(path), text)]
    return [Source("images", (uris.from_path(path),))]


def _is_manifest(path: str) -> bool:
    return Path(path).suffix.lower() in manifests.SUFFIXES


def _manifest(path: str, base: str, text: str) -> Source:
    return _checked(Source("manifest", (uris.from_path(path),), uris.from_path(base)), text)


def _glob(pattern: str, text: str) -> list[Source]:
    here = os.getcwd()
    if not _is_manifest(pattern):
        return [_checked(Source("glob", (pattern,), uris.from_path(here)), text)]
    found = list(folders.matches(pattern, here))
    for path, problem in found:
        if problem is not None:
            raise InputError(f"{text}: {path}: {problem}. Check its permissions.")
    if not found:
        raise InputError(f"{text}: the glob matches no manifest. Check the spelling.")
    return [_manifest(path, os.path.dirname(path), path) for path, _ in found]


def _checked(source: Source, text: str) -> Source:
    """The source, if a first image can be found in it."""
    first = next(iter(source), None)
    # Under its own name comes only why the whole of it cannot be read.
    if first is not None and first.uri != source.names[0]:
        return source
    match source.kind:
        case "folder" if first is not None:
            raise InputError(f"{text}: {first.problem}. Check its permissions.")
        case "folder":
            raise InputError(
                f"{text}: the folder holds no image. Looked in all folders below it for names "
                f"that end in {', '.join(sorted(folders.IMAGE_SUFFIXES))}."
            )
        case "glob":
            raise InputError(
                f"{text}: the glob matches no image. Check the spelling; `**` stands for any "
                "folders."
            )
        case _ if first is not None:
            raise InputError(f"{text}: {first.problem}")
        case _:
            raise InputError(f"{text}: the manifest has no entry. Give one image a line or row.")


def _found(paths: Iterator[folders.Found]) -> Iterator[Listed]:
    for path, problem in paths:
        yield Listed(uris.from_path(path), problem)


def _entries(path: str, base: str) -> Iterator[Listed]:
    manifest = uris.from_path(path)
    try:
        for entry in manifests.read(path):
            yield _listed(entry, f"{manifest}#{entry.position}", base)
    except manifests.ManifestError as error:
        yield Listed(manifest, UnreadableListing(str(error)))


def _listed(entry: manifests.Entry, place: str, base: str) -> Listed:
    if isinstance(entry.value, ListingError):
        return Listed(place, entry.value)
    try:
        return Listed(uris.from_entry(entry.value, base))
    except UnicodeEncodeError:
        return Listed(place, BadManifestEntry(f"{entry.value!r} is not Unicode text"))
