"""Check the INPUTs of the command line and make sources of them before anything starts."""

import glob
import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from typing import IO, cast

from imagebeam.errors import ImagebeamError
from imagebeam.images import uris
from imagebeam.images.containers.kinds import kind_of
from imagebeam.images.errors import InputError
from imagebeam.images.listing import buckets, folders, manifest_tables
from imagebeam.images.listing.columns import (
    NoValueError,
    check_columns,
    check_digest_column,
    keeping,
    kept_columns,
)
from imagebeam.images.listing.first_image import first_image
from imagebeam.images.listing.input_kinds import (
    REPORT_IT,
    FileKinds,
    expand_braces,
    unreachable,
)
from imagebeam.images.listing.listing_pass import ListingRules
from imagebeam.images.listing.manifest_entries import ManifestError
from imagebeam.images.listing.manifest_format import Format, format_of_name
from imagebeam.images.listing.names import is_image_name
from imagebeam.images.listing.sources import Kind, Source
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
    reader = _Inputs(stdin_copy, access, keep, rules)
    found: list[Source] = []
    singles: list[str] = []
    for text in inputs:
        for source in _guarded(reader, text):
            if source.kind == "images":
                singles += source.names
            else:
                found.append(source)
    if reader.refusals and not singles and not reader.has_images:
        raise reader.refusals[0]
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
    """Makes sources of inputs that share everything but their names.

    Attributes:
        refusals: why archives hold no image.
        has_images: whether any source does.
    """

    def __init__(
        self,
        stdin_copy: AnyPath | None,
        access: Access,
        keep: Sequence[str],
        rules: ListingRules,
    ) -> None:
        self._stdin_copy = stdin_copy
        self._access = access
        self._keep = keep
        self._rules = rules
        self._kinds = FileKinds(access, rules.entries.uri_column)
        self.refusals: list[InputError] = []
        self.has_images = False

    def sources(self, text: str) -> list[Source]:
        """Return the sources that one input stands for."""
        if text == STDIN:
            if self._stdin_copy is None:
                raise InputError("-: standard input was not read. Name the manifest as a file.")
            return [self._manifest(str(self._stdin_copy), uris.from_path("."), text)]
        if uris.scheme(text) == "file" and os.path.lexists(uris.to_path(text)):
            return self._local(uris.to_path(text), text)
        names = expand_braces(text)
        # Of several globs some may match nothing.
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
            return self._folder(address, text)
        if not stat.S_ISREG(mode) and not is_image_name(path):
            # To open a pipe would wait for another process; an image gets a row instead.
            raise InputError(
                f"{text}: not a regular file. Pass a list of names on standard input as -."
            )
        return [self._named(address, text)]

    def _folder(self, address: str, text: str) -> list[Source]:
        source = self._source("folder", address)
        try:
            return [self._checked(source, text)]
        except InputError:
            # Spark and Hive write a table as a folder of files.
            if found := self._tables(address, text):
                return found
            raise

    def _tables(self, address: str, text: str) -> list[Source]:
        found: list[Source] = []
        for folder, below, names in os.walk(uris.to_path(address)):
            below.sort()
            for name in sorted(names):
                form = format_of_name(name)
                if form is None or form.format not in _TABLES or name.startswith((".", "_")):
                    continue
                path = uris.from_path(os.path.join(folder, name))
                try:
                    found.append(self._named(path, path))
                except NoValueError:
                    raise
                except (InputError, ManifestError):
                    return []
        return found

    def _local_glob(self, pattern: str, text: str) -> list[Source]:
        here = os.getcwd()
        if not _is_listing(pattern):
            return [self._checked(self._source("glob", pattern, uris.from_path(here)), text)]
        found = list(folders.matches(pattern, here))
        for path, error in found:
            if error is not None:
                raise InputError(f"{text}: {path}: {error}. Check its permissions.")
        return self._all_named([uris.from_path(path) for path, _ in found], text)

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
            raise unreachable(text, error) from error
        return self._all_named(found, text)

    def _all_named(self, found: Sequence[str], text: str) -> list[Source]:
        """Return the manifests or containers that a glob matched, all of the first one's kind."""
        if not found:
            kind = "manifest" if format_of_name(text) is not None else "container"
            raise InputError(f"{text}: the glob matches no {kind}. Check the spelling.")
        if self._kinds.kind(found[0], text) != "container":
            return [self._manifest(name, _parent(name), name) for name in found]
        return self._containers(found)

    def _containers(self, addresses: Sequence[str]) -> list[Source]:
        """Return containers, of which only so many are looked into as have no image."""
        found = [self._container(address, address) for address in addresses]
        for source in found:
            try:
                checked = self._checked(source, source.names[0])
                return [each if each.keep else replace(each, keep=checked.keep) for each in found]
            except NoValueError:
                raise
            except InputError as error:
                self.refusals.append(error)
        return found

    def _named(self, address: str, text: str) -> Source:
        match kind := self._kinds.kind(address, text):
            case "manifest":
                return self._manifest(address, _parent(address), text)
            case "container":
                source = self._container(address, text)
                try:
                    return self._checked(source, text)
                except NoValueError:
                    raise
                except InputError as error:
                    self.refusals.append(error)
                    return source
            case _:
                return self._source(kind, address)

    def _container(self, address: str, text: str) -> Source:
        source = self._source("container", address, self._rules.entries.root or _parent(address))
        if not self._keep:
            return source
        try:
            with store_for(address, self._access.settings).open(address) as file:
                if file.read(4) != b"PAR1":
                    return source
                columns = manifest_tables.schema(cast(IO[bytes], file))
        except ManifestError as error:
            raise InputError(f"{text}: {error}") from error
        except (StoreError, OSError) as error:
            raise unreachable(text, error) from error
        return replace(source, keep=kept_columns(columns, self._keep, address, text))

    def _manifest(self, address: str, base: str, text: str) -> Source:
        try:
            columns = self._kinds.columns(address, text)
        except ManifestError as error:
            raise InputError(f"{text}: {error}") from error
        keep = kept_columns(columns, self._keep, address, text) if columns else {}
        check_digest_column(self._rules.entries.digest_column, columns, text)
        base = self._rules.entries.root or base
        source = replace(self._source("manifest", address, base), keep=keep)
        return self._checked(source, text)

    def _is_there(self, address: str) -> bool:
        try:
            store_for(address, self._access.settings).info(address)
        except Missing:
            return False
        except StoreError as error:
            raise unreachable(address, error) from error
        return True

    def _source(self, kind: Kind, address: str, base: str = "") -> Source:
        return Source(kind, (address,), base, access=self._access, rules=self._rules)

    def _checked(self, source: Source, text: str) -> Source:
        """Return the source if it holds an image.

        Raises:
            InputError: it does not.
        """
        first = first_image(source, text)
        self.has_images = True
        return keeping(source, first, self._keep, text)


_TABLES = (Format.PARQUET, Format.ARROW, Format.CSV, Format.TSV, Format.JSON_LINES)


def _parent(address: str) -> str:
    """Return the folder that a manifest's relative entries start from."""
    if uris.scheme(address) == "file":
        return uris.from_path(os.path.dirname(uris.to_path(address)))
    return address.partition("?")[0].rpartition("/")[0]


def _is_listing(pattern: str) -> bool:
    """Return whether a glob matches manifests or containers, and not images."""
    return format_of_name(pattern) is not None or kind_of(pattern) is not None
