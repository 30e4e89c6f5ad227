"""Look for the first image of a source, and say why there is none."""

from dataclasses import replace

from imagebeam.images import uris
from imagebeam.images.errors import ArchiveDamaged, InputError, UnexpectedListing
from imagebeam.images.listing.input_kinds import REPORT_IT
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.sources import Source


class EmptyInputError(InputError):
    """An input that can be read and stands for no image."""


def first_image(source: Source, text: str) -> str:
    """Return the name of the first image of a source.

    Args:
        source: to look at.
        text: the input as the user typed it, for messages.

    Raises:
        EmptyInputError: it holds none.
        InputError: it cannot be read.
    """
    left_out = LeftOut()
    first = next(replace(source, is_look=True).images(left_out), None)
    if first is None:
        raise EmptyInputError(f"{text}: {_EMPTY[source.kind].format(_described(left_out))}")
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


def _described(left_out: LeftOut) -> str:
    parts = [
        f"{entries:,} {reason} (such as {examples[0]})"
        for reason, (entries, examples) in sorted(left_out.take().items())
        if reason != "empty_manifest"
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

_FIXES = {
    "folder": ". Check its name, your rights to read it and, if it is in a store, the server.",
    "glob": ". Check its name and your rights to read it.",
    "container": ". Pack or download it again.",
}
