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
from imagebeam.images.containers.kinds import kind_of
from imagebeam.images.errors import BadManifestEntry, UnsupportedScheme
from imagebeam.images.listing.manifests.entries import shown
from imagebeam.storage.secrets import HideQuery
from imagebeam.storage.uris import MEMBER

_LONGEST_PATH = 4096
_LONGEST_URL = 16_384
_WEB = ("http", "https")
_NO_NAMES = {
    # An address that is quoted, lacks a slash, or stands behind something else.
    re.compile("https?:/", re.IGNORECASE): (
        "is neither a file nor an address. Write the address alone, without quotes"
    ),
    re.compile(r"""^(["']).+\1$"""): "is in quotes. Write the name alone, without them",
    re.compile(r"^([A-Za-z]:[\\/]|\\\\)"): (
        "is a path of Windows. Write where this machine finds the file, or a name below --root"
    ),
    re.compile("^file://(?!/|localhost/)", re.IGNORECASE): (
        "names a machine, not a file of this one. Write file:/// before a whole path"
    ),
    re.compile(r"^(~/|\$\w+/|\$\{\w+\}/)"): "begins as in a shell. Write the whole path",
    re.compile(r"\*"): "is a glob, which manifests do not expand. Name it as INPUT, in quotes",
}
"""Patterns of texts that are not names of files, with the reason and the fix."""


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
    elif (not path.isascii() or "\\" in path) and not os.path.lexists(path):
        path = next(filter(os.path.lexists, _spellings(path)), path)
    if (reason := _why_no_name(text)) and not os.path.lexists(path):
        raise BadManifestEntry(reason)
    address = _from_path(path, text)
    if os.path.isabs(uris.to_path(text)):
        return EntryAddress(address, address)
    return _relative(address, text, rules, "secret")


def _why_no_name(text: str) -> str | None:
    """Return why a text that is no file is no name of one either; None if it may be a name."""
    # Most names end here, because manifests are long.
    is_odd = "*" in text or ":" in text or MEMBER in text or text[:1] in "\"'~$\\"
    if not is_odd and not text.startswith("//"):
        return None
    if text.startswith("//"):
        return _no_scheme(text)
    for pattern, reason in _NO_NAMES.items():
        if pattern.search(text):
            return f"{shown(text)} {reason}"
    archive, member = uris.split_member(text)
    if member and kind_of(archive) is not None:
        return f"{shown(text)} is inside an archive. Name the archive; all its images are read"
    return None


def _spellings(path: str) -> Iterator[str]:
    """Yield other spellings of a name: Unicode's two forms, and what Windows writes."""
    yield path.replace("\\", "/")
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
