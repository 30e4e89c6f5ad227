"""Find the tables in a folder without images: Spark, Hive and Hugging Face write one as files."""

import glob
import os

from imagebeam.images import uris
from imagebeam.images.errors import InputError
from imagebeam.images.listing.columns import NoValueError
from imagebeam.images.listing.first_image import EmptyInputError
from imagebeam.images.listing.manifests.entries import ManifestError
from imagebeam.images.listing.manifests.formats import BINARY, Format, format_of_name
from imagebeam.images.listing.source_maker import SourceMaker
from imagebeam.images.listing.sources import Source

_TABLES = frozenset(Format) - {Format.LINES, Format.LST}


def tables_in(address: str, text: str, maker: SourceMaker, empty: EmptyInputError) -> list[Source]:
    """Return the tables below a folder; raise InputError if there is none, or a damaged one.

    Args:
        text: the input as the user typed it, for messages.
        empty: why the folder holds no image.
    """
    folder = uris.to_path(address)
    if table := _versioned_table(folder):
        raise InputError(
            f"{text}: it is {table}, whose folder also holds files of earlier versions. "
            "Write its current version to one Parquet file, and name that file."
        ) from empty
    found, refusals = _found(folder, maker)
    # Text beside Parquet and Arrow files only describes them.
    is_described = refusals.keys().isdisjoint(BINARY)
    if not found:
        # An object in JSON mostly describes something else.
        tables = [refusals[form] for form in refusals if form is not Format.JSON]
        about_table = f" {tables[0]}" if tables else ""
        raise InputError(f"{empty}{about_table}") from empty
    if refusals and not (found.keys() <= BINARY and is_described):
        raise InputError(
            f"{next(iter(refusals.values()))} To leave it out, name the other tables, such "
            f"as {found.popitem()[1][0].names[0]}."
        ) from empty
    return [source for some in found.values() for source in some]


def _found(
    top: str, maker: SourceMaker
) -> tuple[dict[Format, list[Source]], dict[Format, Exception]]:
    """Return the tables by format, and the first error of those that cannot be used."""
    found: dict[Format, list[Source]] = {}
    refusals: dict[Format, Exception] = {}
    for folder, below, names in os.walk(top):
        below.sort()
        for name in sorted(names):
            form = format_of_name(name)
            if form is None or form.format not in _TABLES or name.startswith((".", "_")):
                continue
            path = uris.from_path(os.path.join(folder, name))
            try:
                source = maker.named(path, path)
                found.setdefault(form.format, []).append(source)
            except NoValueError:
                raise
            except (InputError, ManifestError) as error:
                refusals.setdefault(form.format, error)
    return found, refusals


def _versioned_table(folder: str) -> str | None:
    """Return which format of tables with versions a folder has; None if it is another folder."""
    if os.path.isdir(os.path.join(folder, "_delta_log")):
        return "a Delta Lake table"
    metadata = os.path.join(glob.escape(folder), "metadata", "*.metadata.json")
    return "an Iceberg table" if glob.glob(metadata) else None
