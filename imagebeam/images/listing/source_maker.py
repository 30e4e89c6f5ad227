"""Make a source of a file, folder or glob, and check that it holds an image."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import IO, cast

from imagebeam.images import uris
from imagebeam.images.errors import InputError
from imagebeam.images.listing.columns import (
    NoValueError,
    check_digest_column,
    keeping,
    kept_columns,
)
from imagebeam.images.listing.first_image import EmptyInputError, first_image
from imagebeam.images.listing.input_kinds import FileKinds, unreachable
from imagebeam.images.listing.listing_pass import ListingRules
from imagebeam.images.listing.manifests import arrow_tables
from imagebeam.images.listing.manifests.entries import ManifestError
from imagebeam.images.listing.manifests.formats import format_of_name
from imagebeam.images.listing.sources import Kind, Source
from imagebeam.images.settings import Access
from imagebeam.storage import StoreError, store_for


class SourceMaker:
    """Makes the sources of all inputs, which share everything but their names.

    Args:
        access: how files are read.
        keep: columns of manifests whose values are copied to the rows.
        rules: what is taken.

    Attributes:
        refusals: why archives and manifests hold no image.
        has_images: whether any source does.
    """

    def __init__(self, access: Access, keep: Sequence[str], rules: ListingRules) -> None:
        self._access = access
        self._keep = keep
        self._rules = rules
        self._kinds = FileKinds(access, rules.entries.uri_column)
        self.refusals: list[InputError] = []
        self.has_images = False

    def all_named(self, found: Sequence[str], text: str) -> list[Source]:
        """Return the manifests or containers that a glob matched, all of the first one's kind."""
        if not found:
            kind = "manifest" if format_of_name(text) is not None else "container"
            raise InputError(f"{text}: the glob matches no {kind}. Check the spelling.")
        if self._kinds.kind(found[0], text) != "container":
            return [self.manifest(name, _parent(name), name) for name in found]
        return self._containers(found)

    def _containers(self, addresses: Sequence[str]) -> list[Source]:
        """Return containers; they are looked into until an image is found."""
        found = [self._container(address, address) for address in addresses]
        for source in found:
            try:
                checked = self.checked(source, source.names[0])
                return [each if each.keep else replace(each, keep=checked.keep) for each in found]
            except NoValueError:
                raise
            except InputError as error:
                self.refusals.append(error)
        return found

    def named(self, address: str, text: str) -> Source:
        """Return the source of one file, by what its name and content show."""
        match kind := self._kinds.kind(address, text):
            case "manifest":
                return self.manifest(address, _parent(address), text)
            case "container":
                source = self._container(address, text)
                try:
                    return self.checked(source, text)
                except NoValueError:
                    raise
                except InputError as error:
                    self.refusals.append(error)
                    return source
            case _:
                return self.source(kind, address)

    def _container(self, address: str, text: str) -> Source:
        source = self.source("container", address, self._rules.entries.root or _parent(address))
        if not self._keep:
            return source
        try:
            with store_for(address, self._access.settings).open(address) as file:
                columns = arrow_tables.schema(cast(IO[bytes], file))
        except ManifestError as error:
            raise InputError(f"{text}: {error}") from error
        except (StoreError, OSError) as error:
            raise unreachable(text, error) from error
        if not columns:
            return source
        return replace(source, keep=kept_columns(columns, self._keep, address, text))

    def manifest(self, address: str, base: str, text: str) -> Source:
        """Return the source of a manifest whose relative entries start from `base`."""
        try:
            columns = self._kinds.columns(address, text)
        except ManifestError as error:
            raise InputError(f"{text}: {error}") from error
        keep = kept_columns(columns, self._keep, address, text) if columns else {}
        check_digest_column(self._rules.entries.digest_column, columns, text)
        base = self._rules.entries.root or base
        source = replace(self.source("manifest", address, base), keep=keep)
        try:
            return self.checked(source, text)
        except EmptyInputError as error:
            # Spark writes parts without rows.
            self.refusals.append(error)
            return source

    def source(self, kind: Kind, address: str, base: str = "") -> Source:
        """Return a source that is not checked yet."""
        return Source(kind, (address,), base, access=self._access, rules=self._rules)

    def checked(self, source: Source, text: str) -> Source:
        """Return the source if it holds an image; raise InputError if it does not."""
        first = first_image(source, text)
        self.has_images = True
        return keeping(source, first, self._keep, text)


def _parent(address: str) -> str:
    """Return the folder that a manifest's relative entries start from."""
    if uris.scheme(address) == "file":
        return uris.from_path(os.path.dirname(uris.to_path(address)))
    return address.partition("?")[0].rpartition("/")[0]
