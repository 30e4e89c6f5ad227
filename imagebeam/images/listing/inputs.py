"""Check the INPUTs of the command line and make sources of them before anything starts."""

import glob
import os
import stat
from collections.abc import Iterator, Sequence

from imagebeam.errors import ImagebeamError
from imagebeam.images import uris
from imagebeam.images.containers.kinds import kind_of
from imagebeam.images.errors import InputError
from imagebeam.images.listing import buckets, folders
from imagebeam.images.listing.braces import expand_braces
from imagebeam.images.listing.columns import NoValueError, check_columns
from imagebeam.images.listing.first_image import EmptyInputError
from imagebeam.images.listing.folder_tables import tables_in
from imagebeam.images.listing.input_kinds import REPORT_IT, unreachable
from imagebeam.images.listing.listing_pass import ListingRules
from imagebeam.images.listing.manifests.formats import format_of_name
from imagebeam.images.listing.names import is_image_name, judge_suffix
from imagebeam.images.listing.source_maker import SourceMaker
from imagebeam.images.listing.sources import Source
from imagebeam.images.settings import Access
from imagebeam.storage import SCHEMES, AnyPath, StoreError, store_for
from imagebeam.storage.errors import Missing, describe_unexpected

STDIN = "-"

_ACCESS = Access()
_RULES = ListingRules()


def sources(
    inputs: Sequence[str],
    stdin_copy: AnyPath | None = None,
    access: Access = _ACCESS,
    keep: Sequence[str] = (),
    rules: ListingRules = _RULES,
) -> tuple[Source, ...]:
    """Return the sources that the command line's INPUTs stand for.

    Each is checked to hold at least one image. Of many archives, one with an image is enough: the
    others become error rows or counts.

    Args:
        inputs: as typed: a directory, a glob, an image, a manifest, a container, or `-`.
        stdin_copy: the file that holds what came in where an input is `-`.
        access: how they are read.
        keep: columns of manifests whose values are copied to the rows.
        rules: what is taken.

    Raises:
        InputError: an input that is missing, empty, unreadable or of an unknown kind.
    """
    maker = SourceMaker(access, keep, rules)
    reader = _Inputs(stdin_copy, access, maker)
    found: list[Source] = []
    singles: list[str] = []
    for text in inputs:
        for source in _guarded(reader, text):
            if source.kind == "images":
                singles += source.names
            else:
                found.append(source)
    if maker.refusals and not singles and not maker.has_images:
        raise maker.refusals[0]
    check_columns(found, keep, rules.entries.digest_column)
    # A shell's `*.jpg` names thousands: neighbours of one source share shards.
    together = [Source("images", tuple(singles), access=access)] if singles else []
    return (*found, *together)


def _guarded(reader: "_Inputs", text: str) -> list[Source]:
    """Return the sources of an input; no exception but an error for the user leaves it."""
    try:
        return reader.sources(text)
    except ImagebeamError:
        raise
    except Exception as error:
        raise InputError(
            f"{uris.without_secrets(text)}: it cannot be listed: {describe_unexpected(error)}. "
            f"{REPORT_IT}"
        ) from error


class _Inputs:
    """Finds what the inputs stand for: files, folders and globs, on this machine or in a bucket."""

    def __init__(self, stdin_copy: AnyPath | None, access: Access, maker: SourceMaker) -> None:
        self._stdin_copy = stdin_copy
        self._access = access
        self._maker = maker

    def sources(self, text: str) -> list[Source]:
        """Return the sources that one input stands for."""
        if text == STDIN:
            if self._stdin_copy is None:
                raise InputError("-: standard input was not read. Name the manifest as a file.")
            return [self._maker.manifest(str(self._stdin_copy), uris.from_path("."), text)]
        if uris.scheme(text) == "file" and os.path.lexists(uris.to_path(text)):
            return self._local(uris.to_path(text), text)
        names = expand_braces(text)
        # Where braces stand for several globs, some of them may match nothing.
        globs = [name for name in names if glob.has_magic(name)] if len(names) > 1 else []
        found: list[Source] = []
        refusals: list[InputError] = []
        for name in names:
            try:
                found += self._one(name)
            except InputError as error:
                if name not in globs:
                    raise
                refusals.append(error)
        if refusals and not found:
            raise refusals[0]
        return found

    def _one(self, text: str) -> list[Source]:
        match scheme := uris.scheme(text):
            case "file":
                return self._local(uris.to_path(text), text)
            case "gs" | "s3":
                return self._in_bucket(text)
            case "http" | "https":
                if "*" in uris.path(text):
                    raise InputError(
                        f"{uris.without_secrets(text)}: web servers cannot be listed, so a glob "
                        "matches nothing. Name a manifest of URLs."
                    )
                return [self._maker.named(text, uris.without_secrets(text))]
            case _:
                raise InputError(
                    f"{uris.without_secrets(text)}: {scheme}:// cannot be read. Give a local name "
                    f"or one of {', '.join(f'{each}://' for each in SCHEMES)}."
                )

    def _local(self, path: str, text: str) -> list[Source]:
        try:
            mode = os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            # A file may be called `a[1].jpg`, so the glob is tried last.
            if glob.has_magic(path):
                return self._glob(path, text)
            raise InputError(
                f"{text}: no such file or folder. Check the spelling; put a glob in quotes."
            ) from None
        except (OSError, ValueError) as error:
            # Versions of Python word the ValueError for a null character differently.
            reason = getattr(error, "strerror", None) or "a name cannot hold a null character"
            raise InputError(f"{text}: {reason}. Check its name and permissions.") from error
        address = uris.from_path(path)
        if stat.S_ISDIR(mode):
            return self._folder(address, text)
        if not stat.S_ISREG(mode) and not is_image_name(path):
            # To open a pipe would wait for another process; an image gets a row instead.
            raise InputError(
                f"{text}: not a regular file. Pass a list of names on standard input as -."
            )
        return [self._maker.named(address, text)]

    def _folder(self, address: str, text: str) -> list[Source]:
        source = self._maker.source("folder", address)
        try:
            return [self._maker.checked(source, text)]
        except EmptyInputError as empty:
            return tables_in(source, text, self._maker, empty)

    def _glob(self, pattern: str, text: str) -> list[Source]:
        is_local = uris.scheme(text) == "file"
        if _is_listing(pattern):
            files, below = _apart(self._matches(pattern, text))
            named = self._maker.all_named(files, text) if files or not below else []
            return [*named, *self._all_folders(below)]
        source = self._maker.source(
            "glob", pattern, uris.from_path(os.getcwd()) if is_local else ""
        )
        try:
            return [self._maker.checked(source, text)]
        except EmptyInputError:
            if by_content := self._by_content(pattern, text):
                return by_content
            raise

    def _matches(self, pattern: str, text: str) -> list[str]:
        """Return the addresses of what a glob matches; those of folders end in a slash."""
        if uris.scheme(text) != "file":
            try:
                store = store_for(text, self._access.settings)
                return list(buckets.matches(store, text))
            except StoreError as error:
                raise unreachable(text, error) from error
        found = list(folders.matches(pattern, os.getcwd()))
        for path, problem in found:
            if problem is not None:
                raise InputError(f"{text}: {path}: {problem}. Check its permissions.")
        return [
            uris.from_path(path).rstrip("/") + ("/" if os.path.isdir(path) else "")
            for path, _ in found
        ]

    def _all_folders(self, found: Sequence[str]) -> list[Source]:
        """Return the sources of the folders that a glob matched."""
        names = [each.rstrip("/") for each in found]
        return [source for name in names for source in self._folder(name, name)]

    def _by_content(self, pattern: str, text: str) -> list[Source]:
        """Return folders of tables, or files whose names show no kind: `train-00000-of-01024`."""
        found, below = _apart(self._matches(pattern, text))
        if below:
            return [] if found else self._all_folders(below)
        judgements = {judge_suffix(uris.path(address).rpartition("/")[2]) for address in found}
        if not judgements <= {"unknown", "archive"}:
            return []
        try:
            return self._maker.all_named(found, text)
        except NoValueError:
            raise
        except InputError:
            # This error says more than that no image matches.
            if judgements == {"archive"}:
                raise
            return []

    def _in_bucket(self, text: str) -> list[Source]:
        scheme, _, path = text.partition("://")
        bucket, _, name = path.partition("/")
        if not bucket or glob.has_magic(bucket):
            raise InputError(f"{text}: names no bucket. Give {scheme}://BUCKET/NAME.")
        try:
            store_for(text, self._access.settings)
        except StoreError as error:
            # Its client library may be missing.
            raise unreachable(text, error) from error
        if name and not name.endswith("/"):
            if self._is_there(text):
                return [self._maker.named(text, text)]
            if glob.has_magic(name):
                return self._glob(text, text)
        return self._folder(text, text)

    def _is_there(self, address: str) -> bool:
        try:
            store_for(address, self._access.settings).info(address)
        except Missing:
            return False
        except StoreError as error:
            raise unreachable(address, error) from error
        return True


def _apart(found: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the files that a glob matched and the folders, both without those in a folder."""
    names = {each for each in found if each.endswith("/")}
    kept = [each for each in found if names.isdisjoint(_folders_above(each))]
    return [each for each in kept if each not in names], [each for each in kept if each in names]


def _folders_above(name: str) -> Iterator[str]:
    return (name[: at + 1] for at, each in enumerate(name[:-1]) if each == "/")


def _is_listing(pattern: str) -> bool:
    """Return whether a glob matches manifests or containers, and not images."""
    return format_of_name(pattern) is not None or kind_of(pattern) is not None
