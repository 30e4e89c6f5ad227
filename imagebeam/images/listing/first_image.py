"""Look for the first image of a source, and say why there is none."""

import glob
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from imagebeam.images import uris
from imagebeam.images.containers.kinds import ContainerKind, kind_of, suffix_of
from imagebeam.images.errors import ArchiveDamaged, ImageError, InputError, UnexpectedListing
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing.input_kinds import REPORT_IT
from imagebeam.images.listing.left_out import LeftOut, LeftOutCount
from imagebeam.images.listing.names import SHARD, SNIFFED_BYTES, judge_content, judge_suffix
from imagebeam.images.listing.sources import Source
from imagebeam.storage import Settings, StoreError, store_for

_MOST_LOOKS = 20
"""Objects without a picture that are looked into; each costs two requests."""


class EmptyInputError(InputError):
    """An input that can be read and stands for no image."""


def first_image(source: Source, text: str) -> str:
    """Return the name of the first image of a source.

    Args:
        source: the source to look at.
        text: the input as the user typed it, for messages.

    Raises:
        EmptyInputError: it holds none.
        InputError: it cannot be read.
    """
    left_out = LeftOut()
    found = replace(source, is_look=True).images(left_out)
    if source.kind in ("folder", "glob") and uris.scheme(source.names[0]) != "file":
        found = _without_other_kinds(found, source.access.settings, left_out)
    first = next(found, None)
    if first is None:
        counts = left_out.take()
        fix = ""
        if source.kind == "folder":
            fix = _folder_fix(text, counts)
        elif source.kind == "container" and "other_kind" in counts:
            fix = " A list of images in it must be unpacked or saved as CSV, and named."
        raise EmptyInputError(f"{text}: {_EMPTY[source.kind].format(_described(counts))}{fix}")
    # Only the reason why the whole of it cannot be read comes under its own name.
    if first.uri != uris.without_secrets(source.names[0], source.access.hide_query):
        return first.uri
    fix = _FIXES.get(source.kind, "")
    if source.kind == "container" and not isinstance(first.error, ArchiveDamaged):
        # The text of the error states the fix.
        fix = "."
    if isinstance(first.error, UnexpectedListing):
        fix = f". {REPORT_IT}"
    raise InputError(f"{text}: {first.error}{fix}")


def _without_other_kinds(
    found: Iterable[ListedImage], settings: Settings, left_out: LeftOut
) -> Iterator[ListedImage]:
    """Yield the objects of a bucket that may be images.

    A listing requests each object whose name does not show its kind. Here, the content of the first
    ones decides: those beside tables are no pictures.
    """
    looks = 0
    for listed in found:
        if looks < _MOST_LOOKS and judge_suffix(listed.uri.rpartition("/")[2]) == "unknown":
            looks += 1
            if _is_other_kind(listed.location, settings):
                left_out.add("other_kind", listed.uri)
                continue
        yield listed


def _is_other_kind(location: ImageLocation | ImageError, settings: Settings) -> bool:
    if isinstance(location, ImageError):
        return False
    try:
        with store_for(location.address, settings).open(location.address) as file:
            return judge_content(file.read(SNIFFED_BYTES)) == "other_kind"
    except (StoreError, OSError):
        # Its error row says why.
        return False


def _folder_fix(folder: str, counts: Mapping[str, LeftOutCount]) -> str:
    if "archive" not in counts:
        return " Check its name; pictures are known by their extension or content."
    globs = sorted(filter(None, map(_glob_of_archives, counts["archive"].examples)), key=_is_table)
    if not globs:
        return " Unpack the archives in it."
    is_local = uris.scheme(folder) == "file"
    name = glob.escape(uris.to_path(folder)) if is_local else folder
    return f" Archives in a folder are read by a glob, such as '{name.rstrip('/')}/**/{globs[0]}'."


def _glob_of_archives(name: str) -> str:
    """Return a glob for archives with names like this one; "" if they cannot be read."""
    whole = SHARD.sub("", name)
    suffix = suffix_of(whole)
    return suffix and f"*{suffix}{'' if whole == name else '-*'}"


def _is_table(pattern: str) -> bool:
    return kind_of(pattern) is ContainerKind.PARQUET


def _described(counts: Mapping[str, LeftOutCount]) -> str:
    parts = [
        f"{entries:,} {reason} (such as {examples[0]})"
        for reason, (entries, examples) in sorted(counts.items())
        if reason != "empty_manifest"
    ]
    return f"; left out: {', '.join(parts)}" if parts else ""


_EMPTY = {
    "folder": "the folder holds no image{}.",
    "glob": (
        "the glob matches no image{}. Check the spelling; `**` stands for any folders. A glob for "
        "archives ends as they do, such as '*.tar.gz'."
    ),
    "manifest": "the manifest has no entry{}. Give one image per line or row.",
    "container": "no image is in it{}.",
}
"""Messages for inputs without an image, with a place for what was left out."""

_FIXES = {
    "folder": ". Check its name, your rights to read it and, if it is in a store, the server.",
    "glob": ". Check its name and your rights to read it.",
    "container": ". Pack or download it again.",
}
