"""Find the address that an entry of a manifest stands for, or say why it stands for none."""

import os
import posixpath
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urljoin

from imagebeam.images import uris
from imagebeam.images.errors import BadManifestEntry, UnsupportedScheme
from imagebeam.images.listing.manifests.entries import shown
from imagebeam.storage.secrets import HideQuery

_LONGEST_PATH = 4096
_LONGEST_URL = 16_384
_WEB = ("http", "https")
_ADDRESS_INSIDE = re.compile("https?:/", re.IGNORECASE)
"""An address that is quoted, lacks a slash, or stands behind something else."""


@dataclass(frozen=True)
class EntryRules:
    """The rules by which entries of manifests are read.

    Attributes:
        uri_column: the column that names the images; None is `uri`.
        root: address of the folder that relative entries start from; None is the manifest's.
        template: a name in which `{}` stands for the entry, such as `train/{}.jpg`.
        digest_column: the column that states the digest of each image; None if nothing is
            compared.
    """

    uri_column: str | None = None
    root: str | None = None
    template: str | None = None
    digest_column: str | None = None


class EntryAddress(NamedTuple):
    """The address of an entry's image.

    Attributes:
        uri: its name in rows.
    """

    address: str
    uri: str


def resolve(
    entry: str, manifest: str, base: str, rules: EntryRules, hide_query: HideQuery = "secret"
) -> EntryAddress:
    """Return the address of the image that an entry names.

    Args:
        entry: as the manifest has it.
        manifest: address of the manifest: one from elsewhere must not name local files.
        base: address of the folder that relative entries start from.
        hide_query: what of a web address its name leaves out.

    Raises:
        BadManifestEntry: the entry is not a name.
        UnsupportedScheme: a manifest from elsewhere names a file of this machine.
    """
    if entry.lstrip()[:5].lower() == "data:":
        raise BadManifestEntry(
            "a `data:` URI, which holds the picture itself. Save it as a file and name that"
        )
    if "\0" in entry:
        raise BadManifestEntry(f"{shown(entry)} holds a NUL byte")
    if rules.template is not None:
        entry = rules.template.replace("{}", entry.strip())
    text = _trimmed(entry)
    if len(text) > (_LONGEST_PATH if uris.scheme(text) == "file" else _LONGEST_URL):
        raise BadManifestEntry(f"a name of {len(text):,} characters: {shown(text)}")
    if uris.scheme(base) == "file" and uris.scheme(text) == "file":
        return _local(entry, manifest, base, rules)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadManifestEntry(
            f"{shown(text)} is not UTF-8 text. Save the manifest as UTF-8"
        ) from None
    if uris.scheme(text) != "file":
        return EntryAddress(text, uris.without_secrets(text, hide_query))
    if "://" in text or (text.startswith("/") and not text.startswith("//")):
        raise UnsupportedScheme("a local name in a manifest that is not local")
    if uris.scheme(base) in _WEB:
        try:
            joined = urljoin(f"{base}/", text)
        except ValueError as error:
            raise BadManifestEntry(f"{shown(text)} is not an address ({error})") from None
        return _relative(joined, text, rules, hide_query)
    if text.startswith("//"):
        raise BadManifestEntry(_no_scheme(text))
    scheme, _, folder = base.partition("://")
    joined = f"{scheme}://{posixpath.normpath(posixpath.join(folder, text))}"
    return _relative(joined, text, rules, hide_query)


def _trimmed(entry: str) -> str:
    """Return an entry without blanks and byte order marks, which joined files have inside."""
    return entry.strip().lstrip("\ufeff")


def _local(entry: str, manifest: str, base: str, rules: EntryRules) -> EntryAddress:
    folder = uris.to_path(base)
    text = _trimmed(entry)
    path = os.path.join(folder, uris.to_path(text))
    if uris.scheme(manifest) != "file":
        # The root is local, the manifest is not: its names stay below the root.
        inside = os.path.commonpath([os.path.abspath(path), os.path.abspath(folder)])
        if inside != os.path.abspath(folder):
            raise UnsupportedScheme("a local name in a manifest that is not local")
    if text != entry and os.path.lexists(literal := os.path.join(folder, uris.to_path(entry))):
        text, path = entry, literal
    elif text.startswith("//") and not os.path.lexists(path):
        raise BadManifestEntry(_no_scheme(text))
    elif _ADDRESS_INSIDE.search(text) and not os.path.lexists(path):
        raise BadManifestEntry(
            f"{shown(text)} is neither a file nor an address. Write the address alone, without "
            "quotes"
        )
    if not path.isascii() and not os.path.lexists(path):
        path = next(filter(os.path.lexists, _spellings(path)), path)
    address = _from_path(path, text)
    if os.path.isabs(uris.to_path(text)):
        return EntryAddress(address, address)
    return _relative(address, text, rules, "secret")


def _spellings(path: str) -> Iterator[str]:
    """Yield other spellings of a name: Unicode's two forms, and what Windows writes."""
    yield unicodedata.normalize("NFC", path)
    yield unicodedata.normalize("NFD", path)
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        try:
            decoded = os.fsencode(path).decode("cp1252")
        except UnicodeError:
            return
        yield decoded
        yield unicodedata.normalize("NFD", decoded)


def _from_path(path: str, text: str) -> str:
    try:
        return uris.from_path(path)
    except UnicodeEncodeError:
        raise BadManifestEntry(
            f"{shown(text)} is not UTF-8 text. Save the manifest as UTF-8"
        ) from None


def _relative(address: str, text: str, rules: EntryRules, hide_query: HideQuery) -> EntryAddress:
    """Name an image as the manifest does if --root says where names start: outputs can move."""
    if rules.root is None or any("\ud800" <= each <= "\udfff" for each in text):
        return EntryAddress(address, uris.without_secrets(address, hide_query))
    return EntryAddress(address, uris.without_secrets(text, hide_query))


def _no_scheme(text: str) -> str:
    return f"{shown(text)} has no scheme. Write https:{text.partition('?')[0][:80]}"
