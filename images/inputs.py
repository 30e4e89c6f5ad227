"""What the user names as INPUT, and the images that it stands for."""

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from images import manifests, uris
from images.errors import InputError, ListingError, UnreadableListing

IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif"),
        *(".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
    )
)
"""Names that folders and globs take as images, in any case. A file named alone is always taken."""

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
        base: URI of the folder that a manifest's relative entries start from.
    """

    kind: Literal["folder", "glob", "manifest", "images"]
    names: tuple[str, ...]
    base: str = ""

    def __iter__(self) -> Iterator[Listed]:
        """The images in a fixed order: by name, or as the manifest has them."""
        match self.kind:
            case "folder":
                yield from _walk(uris.to_path(self.names[0]), ())
            case "glob":
                yield from _expand(uris.to_path(self.names[0]))
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
        source = _source(text, stdin_copy)
        if source.kind == "images":
            singles += source.names
        else:
            found.append(source)
    # A shell's `*.jpg` names thousands: neighbours of one source share shards.
    return (*found, *([Source("images", tuple(singles))] if singles else []))


def _source(text: str, stdin_copy: Path | None) -> Source:
    if text == STDIN:
        if stdin_copy is None:
            raise InputError("-: standard input was not read")
        return _checked(Source("manifest", (uris.from_path(str(stdin_copy)),), uris.from_path(".")))
    if (scheme := uris.scheme(text)) != "file":
        raise InputError(
            f"{text}: {scheme}:// inputs cannot be listed. Copy or mount the images, or name "
            "a local folder, glob, image or manifest."
        )
    path = uris.to_path(text)
    uri = uris.from_path(path)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if glob.has_magic(path):
            # The folder that the job runs in is no pattern, whatever its name.
            whole = os.path.join(glob.escape(os.getcwd()), path)
            return _checked(Source("glob", (uris.from_path(whole),)))
        raise InputError(
            f"{text}: no such file or folder. Check the spelling; put a glob in quotes."
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{text}: {_reason(error)}. Check its permissions.") from error
    if stat.S_ISDIR(mode):
        return _checked(Source("folder", (uri,)))
    if Path(path).suffix.lower() in manifests.SUFFIXES:
        return _checked(Source("manifest", (uri,), uris.from_path(str(Path(path).parent))))
    return Source("images", (uri,))


def _checked(source: Source) -> Source:
    """The source, if a first image can be found in it."""
    shown = source.names[0]
    try:
        first = next(iter(source), None)
    except manifests.ManifestError as error:
        raise InputError(f"{shown}: {error}") from error
    if first is not None and not (source.kind == "folder" and first.uri == shown):
        return source
    match source.kind:
        case "folder" if first is not None:
            raise InputError(f"{shown}: {first.problem}. Check its permissions.")
        case "folder":
            raise InputError(
                f"{shown}: the folder holds no image. Looked in all folders below it for names "
                f"that end in {', '.join(sorted(IMAGE_SUFFIXES))}."
            )
        case "glob":
            raise InputError(
                f"{shown}: the glob matches no image. Check the spelling; `**` stands for any "
                "folders."
            )
        case _:
            raise InputError(f"{shown}: the manifest has no entry. Give one image a line or row.")


def _walk(folder: str, above: tuple[tuple[int, int], ...]) -> Iterator[Listed]:
    """All images below a folder, by name; links to folders are followed unless they loop."""
    try:
        status = os.stat(folder)
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        problem = UnreadableListing(f"the folder cannot be listed: {_reason(error)}")
        yield Listed(uris.from_path(folder), problem)
        return
    for entry in entries:
        if _is_folder(entry):
            yield from _walk(entry.path, (*above, identity))
        elif is_image_name(entry.name):
            yield Listed(uris.from_path(entry.path))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A loop of links: its image row will say so.
        return False


def _expand(pattern: str) -> Iterator[Listed]:
    # Sorted, for the order of a folder is not fixed and positions must be.
    for path in sorted(glob.iglob(pattern, recursive=True)):
        if Path(path).is_dir():
            # `**` names each folder as well as what is in it.
            if not pattern.endswith("**"):
                yield from _walk(path, ())
        elif Path(path).suffix.lower() in manifests.SUFFIXES:
            yield from _entries(path, str(Path(path).parent))
        elif is_image_name(path):
            yield Listed(uris.from_path(path))


def _entries(path: str, base: str) -> Iterator[Listed]:
    for entry in manifests.read(path):
        if isinstance(entry.value, ListingError):
            yield Listed(f"{uris.from_path(path)}#{entry.position}", entry.value)
        else:
            yield Listed(uris.from_entry(entry.value, base))


def is_image_name(name: str) -> bool:
    """Whether folders and globs take a file of this name as an image."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
