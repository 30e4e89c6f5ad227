"""Find the tables in a folder without images: Spark, Hive and Hugging Face write one as files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from imagebeam.images import uris
from imagebeam.images.errors import InputError
from imagebeam.images.listing.columns import NoValueError
from imagebeam.images.listing.first_image import EmptyInputError
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.manifests.entries import ManifestError
from imagebeam.images.listing.manifests.formats import BINARY, Format, format_of_name
from imagebeam.images.listing.names import Judgement, NameRules, judge_suffix
from imagebeam.images.listing.source_maker import SourceMaker
from imagebeam.images.listing.sources import Source

_TABLES = frozenset(Format) - {Format.LINES, Format.LST}

_VERSIONED = {
    "a Delta Lake table": re.compile(r"(.*)/_delta_log(/.*)?"),
    "an Iceberg table": re.compile(r"(.*)/metadata/[^/]*\.metadata\.json"),
}
"""Formats of tables with versions, and the names in their folders that show them."""


@dataclass(frozen=True)
class TableNames(NameRules):
    """The rules for names in a folder of tables.

    Attributes:
        formats: which files are tables.
        table: the judgement of a table.
    """

    formats: frozenset[Format] = _TABLES
    table: Literal["image", "table"] = "table"

    def reason_to_skip(
        self, parts: Sequence[str], name: str
    ) -> Literal["hidden", "excluded"] | None:
        """Return why a file or folder is left out whatever it holds; None if it is not."""
        # Spark and Hive read no such names either, except for a partition by a column `_day`.
        if name.startswith("_") and "=" not in name:
            return "hidden"
        return super().reason_to_skip(parts, name)

    def judge_name(self, name: str) -> Judgement:
        """Judge a name by its suffix."""
        form = _format(name)
        return self.table if form in self.formats else judge_suffix(name)


def tables_in(
    folder: Source, text: str, maker: SourceMaker, empty: EmptyInputError
) -> list[Source]:
    """Return the tables below a folder; raise InputError if there is none, or a damaged one.

    The last source counts what lies beside the tables.

    Args:
        text: the input as the user typed it, for messages.
        empty: why the folder holds no image.
    """
    found: dict[Format, list[Source]] = {}
    refusals: dict[Format, Exception] = {}
    for address, form in _tables(folder, text):
        try:
            source = maker.named(address, address)
            found.setdefault(form, []).append(source)
        except NoValueError:
            raise
        except (InputError, ManifestError) as error:
            refusals.setdefault(form, error)
    # Text beside Parquet and Arrow files only describes them.
    is_described = refusals.keys().isdisjoint(BINARY)
    if not found:
        # An object in JSON mostly describes something else.
        tables = [refusals[form] for form in refusals if form is not Format.JSON]
        about_table = f" {tables[0]}" if tables else ""
        raise InputError(f"{empty}{about_table}") from empty
    tables_found = [source for some in found.values() for source in some]
    if refusals and not (found.keys() <= BINARY and is_described):
        raise InputError(
            f"{next(iter(refusals.values()))} To leave it out, name the other tables, such as "
            f"{tables_found[-1].names[0]}."
        ) from empty
    names = TableNames(folder.rules.names.exclude, frozenset(found))
    rules = replace(folder.rules, names=names)
    return [*tables_found, replace(folder, rules=rules, keep=tables_found[0].keep)]


def _tables(folder: Source, text: str) -> list[tuple[str, Format]]:
    """Return the addresses of all tables below a folder, each with its format."""
    names = TableNames(folder.rules.names.exclude, table="image")
    left_out = _AllNames()
    found: list[tuple[str, Format]] = []
    for listed in replace(folder, rules=replace(folder.rules, names=names)).images(left_out):
        if listed.error is not None:
            raise InputError(f"{text}: {listed.uri}: {listed.error}. Check your rights to read it.")
        form = _format(listed.uri)
        # In a bucket, names that show no kind are among them.
        if form is not None and form in _TABLES:
            found.append((listed.uri, form))
    _refuse_versions([*(address for address, _ in found), *left_out.names], folder.names[0], text)
    return found


class _AllNames(LeftOut):
    """Keeps the names of what is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def add(self, reason: str, name: str, count: int = 1) -> None:
        """Keep a name."""
        self.names.append(name)

    def add_path(self, reason: str, path: str) -> None:
        """Keep the name of a path."""
        self.add(reason, uris.from_path(path))


def _refuse_versions(names: Sequence[str], folder: str, text: str) -> None:
    for name in names:
        for table, pattern in _VERSIONED.items():
            if match := pattern.fullmatch(name):
                is_whole = match[1].rstrip("/") == folder.rstrip("/")
                raise InputError(
                    f"{text if is_whole else match[1]}: it is {table}, whose folder also holds "
                    "files of earlier versions. Write its current version to one Parquet file, "
                    "and name that file."
                )


def _format(name: str) -> Format | None:
    form = format_of_name(name)
    return None if form is None else form.format
