"""What the user names as INPUT, told apart and checked before anything starts."""

import glob
import os
import posixpath
import stat
from collections.abc import Sequence
from dataclasses import replace
from typing import IO, Any, Literal, cast

from imagebeam.images import uris
from imagebeam.images.containers.kinds import kind_of
from imagebeam.images.errors import InputError
from imagebeam.images.listing import buckets, folders, manifests
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.sources import Kind, Source
from imagebeam.images.settings import Access
from imagebeam.storage import SCHEMES, AnyPath, StoreError, store_for
from imagebeam.storage.errors import Missing

STDIN = "-"

_ACCESS = Access()


def sources(
    inputs: Sequence[str],
    stdin_copy: AnyPath | None = None,
    access: Access = _ACCESS,
    keep: Sequence[str] = (),
) -> tuple[Source, ...]:
    """What to list for the command line's INPUTs, each checked to hold at least one image.

    Of many containers that a glob matches, only the first is looked into.

    Args:
        inputs: as typed: a directory, a glob, an image, a manifest, a container, or `-`.
        stdin_copy: the file that holds what came in where an input is `-`.
        access: how they are reached.
        keep: columns of manifests whose values come along.

    Raises:
        InputError: an input that is missing, empty, unreadable or of an unknown kind.
    """
    reader = _Inputs(stdin_copy, access, keep)
    found: list[Source] = []
    singles: list[str] = []
    for text in inputs:
        for source in reader.sources(text):
            if source.kind == "images":
                singles += source.names
            else:
                found.append(source)
    if keep and not any(source.keep for source in found):
        raise InputError(
            f"--keep {' '.join(keep)}: no input has columns. Name a .csv, .jsonl or .parquet "
            "manifest."
        )
    # A shell's `*.jpg` names thousands: neighbours of one source share shards.
    return (*found, *([Source("images", tuple(singles), access=access)] if singles else []))


def extra_columns(found: Sequence[Source]) -> dict[str, Any]:
    """Return the columns that --keep names, with their Arrow types, which all manifests share.

    Raises:
        InputError: two manifests differ.
    """
    columns: dict[str, Any] = {}
    for source in found:
        for name, kind in source.keep.items():
            if columns.setdefault(name, kind) != kind:
                raise InputError(
                    f"{uris.without_secrets(source.names[0])}: column {name!r} holds {kind}, and "
                    f"{columns[name]} in another manifest. Make them alike, or run them apart."
                )
    return columns


class _Inputs:
    """Makes sources of inputs that share everything but their names."""

    def __init__(self, stdin_copy: AnyPath | None, access: Access, keep: Sequence[str]) -> None:
        self._stdin_copy = stdin_copy
        self._access = access
        self._keep = keep

    def sources(self, text: str) -> list[Source]:
        """What one input stands for."""
        if text == STDIN:
            if self._stdin_copy is None:
                raise InputError("-: standard input was not read. Name the manifest as a file.")
            return [self._manifest(str(self._stdin_copy), uris.from_path("."), text)]
        match scheme := uris.scheme(text):
            case "file":
                return self._local(uris.to_path(text), text)
            case "gs" | "s3":
                return self._in_bucket(text)
            case "http" | "https":
                if "*" in uris.path(text):
                    raise InputError(
                        f"{uris.without_secrets(text)}: the web has no listing to match a glob "
                        "with. Name a manifest of URLs."
                    )
                return [self._named(text, uris.without_secrets(text))]
            case _:
                raise InputError(
                    f"{uris.without_secrets(text)}: {scheme}:// cannot be read. Give a local name "
                    f"or one of {', '.join(f'{each}://' for each in SCHEMES)}."
                )

    def _local(self, path: str, text: str) -> list[Source]:
        try:
            mode = os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            # Only now: a file may be called `a[1].jpg`.
            if glob.has_magic(path):
                return self._local_glob(path, text)
            raise InputError(
                f"{text}: no such file or folder. Check the spelling; put a glob in quotes."
            ) from None
        except (OSError, ValueError) as error:
            # Versions of Python word the ValueError for a null character differently.
            reason = getattr(error, "strerror", None) or "a name cannot hold a null character"
            raise InputError(f"{text}: {reason}. Check its name and permissions.") from error
        address = uris.from_path(path)
        if stat.S_ISDIR(mode):
            return [self._checked(self._source("folder", address), text)]
        return [self._named(address, text)]

    def _local_glob(self, pattern: str, text: str) -> list[Source]:
        here = os.getcwd()
        if not _is_listing(pattern):
            return [self._checked(self._source("glob", pattern, uris.from_path(here)), text)]
        found = list(folders.matches(pattern, here))
        for path, problem in found:
            if problem is not None:
                raise InputError(f"{text}: {path}: {problem}. Check its permissions.")
        return self._all_named([uris.from_path(path) for path, _ in found], text)

    def _in_bucket(self, text: str) -> list[Source]:
        scheme, _, path = text.partition("://")
        bucket, _, name = path.partition("/")
        if not bucket or glob.has_magic(bucket):
            raise InputError(f"{text}: names no bucket. Give {scheme}://BUCKET/NAME.")
        if name and not name.endswith("/"):
            if self._is_there(text):
                return [self._named(text, text)]
            if glob.has_magic(name):
                return self._glob_in_bucket(text)
        return [self._checked(self._source("folder", text), text)]

    def _glob_in_bucket(self, text: str) -> list[Source]:
        if not _is_listing(text):
            return [self._checked(self._source("glob", text), text)]
        try:
            store = store_for(text, self._access.settings)
            found = [info.uri for info in buckets.matches(store, text)]
        except StoreError as error:
            raise _unreachable(text, error) from error
        return self._all_named(found, text)

    def _all_named(self, found: Sequence[str], text: str) -> list[Source]:
        """The manifests or containers that a glob matched, all of the first one's kind."""
        if not found:
            kind = "manifest" if _suffix(text) in manifests.SUFFIXES else "container"
            raise InputError(f"{text}: the glob matches no {kind}. Check the spelling.")
        if self._kind(found[0], text) == "container":
            first, *others = (self._source("container", name) for name in found)
            return [self._checked(first, found[0]), *others]
        return [self._manifest(name, _folder(name), name) for name in found]

    def _named(self, address: str, text: str) -> Source:
        """A manifest, a container or an image: its name tells."""
        match kind := self._kind(address, text):
            case "manifest":
                return self._manifest(address, _folder(address), text)
            case "container":
                return self._checked(self._source(kind, address), text)
            case _:
                return self._source(kind, address)

    def _kind(self, address: str, text: str) -> Literal["manifest", "container", "images"]:
        suffix = _suffix(address)
        if suffix == ".parquet":
            return "manifest" if self._names_images(address, text) else "container"
        if suffix in manifests.SUFFIXES:
            return "manifest"
        return "container" if kind_of(uris.path(address)) is not None else "images"

    def _names_images(self, address: str, text: str) -> bool:
        """Whether a Parquet file has a column of names and not one of images."""
        if self._access.selection.image_column is not None:
            return False
        try:
            self._columns(address, text)
        except manifests.NoColumnError:
            return False
        except manifests.ManifestError as error:
            raise InputError(f"{text}: {error}") from error
        return True

    def _manifest(self, address: str, base: str, text: str) -> Source:
        try:
            columns = self._columns(address, text) if self._keep else {}
        except manifests.ManifestError as error:
            raise InputError(f"{text}: {error}") from error
        for name in self._keep:
            if columns and name not in columns:
                raise InputError(
                    f"{text}: no column {name!r} to keep; it has {', '.join(map(repr, columns))}."
                )
        keep = {name: columns[name] for name in self._keep if columns}
        source = replace(self._source("manifest", address, base), keep=keep)
        return self._checked(source, text)

    def _columns(self, address: str, text: str) -> dict[str, Any]:
        try:
            with store_for(address, self._access.settings).open(address) as file:
                return manifests.columns(cast(IO[bytes], file), _suffix(address))
        except (StoreError, OSError) as error:
            raise _unreachable(text, error) from error

    def _is_there(self, address: str) -> bool:
        try:
            store_for(address, self._access.settings).info(address)
        except Missing:
            return False
        except StoreError as error:
            raise _unreachable(address, error) from error
        return True

    def _source(self, kind: Kind, address: str, base: str = "") -> Source:
        return Source(kind, (address,), base, access=self._access)

    def _checked(self, source: Source, text: str) -> Source:
        """Return the source if it holds an image."""
        left_out = LeftOut()
        first = next(source.images(left_out), None)
        # Under its own name comes only why the whole of it cannot be read.
        if first is not None and first.uri != uris.without_secrets(
            source.names[0], self._access.hide_query
        ):
            return source
        if first is not None:
            cures = {
                "folder": ". Check its permissions.",
                "glob": ". Check its name and your rights to read it.",
                "container": ". Pack or download it again.",
            }
            raise InputError(f"{text}: {first.error}{cures.get(source.kind, '')}")
        raise InputError(f"{text}: {_EMPTY[source.kind].format(_described(left_out))}")


def _described(left_out: LeftOut) -> str:
    parts = [
        f"{entries:,} {reason} (such as {examples[0]})"
        for reason, (entries, examples) in sorted(left_out.take().items())
    ]
    return f"; left out: {', '.join(parts)}" if parts else ""


_EMPTY = {
    "folder": (
        "the folder holds no image{}. Archives in a folder are read by a glob, such as '*.tar'."
    ),
    "glob": (
        "the glob matches no image{}. Check the spelling; `**` stands for any folders. A glob for "
        "archives ends as they do, such as '*.tar.gz'."
    ),
    "manifest": "the manifest has no entry{}. Give one image per line or row.",
    "container": "no image is in it{}.",
}
"""Messages for inputs without an image, with a place for what was left out."""


def _suffix(address: str) -> str:
    return posixpath.splitext(uris.path(address))[1].lower()


def _folder(address: str) -> str:
    """What a manifest's relative entries start from."""
    if uris.scheme(address) == "file":
        return uris.from_path(os.path.dirname(uris.to_path(address)))
    return address.partition("?")[0].rpartition("/")[0]


def _is_listing(pattern: str) -> bool:
    """Whether what a glob matches are manifests or containers, and not images."""
    return _suffix(pattern) in manifests.SUFFIXES or kind_of(pattern) is not None


def _unreachable(text: str, error: StoreError | OSError) -> InputError:
    reason = error if isinstance(error, StoreError) else error.strerror or error
    return InputError(f"{text}: {reason}. Check its name and your rights to read it.")
