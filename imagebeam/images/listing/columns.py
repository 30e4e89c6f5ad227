"""The columns that `--keep` and `--check-digest` name: which inputs have them, and their types."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from imagebeam.images import uris
from imagebeam.images.errors import InputError
from imagebeam.images.listing.path_columns import available, has_partition
from imagebeam.images.listing.sources import Source

_FIRST_IMAGES = 100


class NoValueError(InputError):
    """A table or archive without a column to keep: another one is no replacement."""


def extra_columns(found: Sequence[Source]) -> dict[str, Any]:
    """Return the columns that --keep names, with their Arrow types, which all manifests share.

    Raises:
        InputError: two manifests differ, or a column is of a type that outputs cannot hold.
    """
    columns: dict[str, Any] = {}
    for source in found:
        for name, kind in source.keep.items():
            if columns.setdefault(name, kind) != kind:
                raise InputError(
                    f"{uris.without_secrets(source.names[0])}: column {name!r} holds {kind}, and "
                    f"{columns[name]} in another manifest. Make them alike, or label them in "
                    "separate runs."
                )
    for name, kind in columns.items():
        _check_writable(name, kind)
    return columns


def _check_writable(name: str, kind: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.write_table(pa.schema([(name, kind)]).empty_table(), pa.BufferOutputStream())
    except pa.ArrowException as error:
        raise InputError(
            f"--keep {name}: an output cannot hold {kind} ({error}). Leave the column out."
        ) from error


def check_columns(found: Sequence[Source], keep: Sequence[str], digest: str | None) -> None:
    """Check that any input has the columns that are named.

    Args:
        found: the sources of all inputs.
        keep: names of the columns to keep.
        digest: name of the column with digests; None if there is none.

    Raises:
        InputError: none has.
    """
    if digest is not None and not any(source.kind == "manifest" for source in found):
        raise InputError(
            f"--check-digest {digest}: no input is a manifest, which states digests. Name one, or "
            "leave the option out."
        )
    if keep and not any(source.keep for source in found):
        raise InputError(
            f"--keep {' '.join(keep)}: no input has such columns. Name columns of a .csv or "
            ".parquet file, extensions of the files next to images in a folder or archive (`cls`; "
            "in a tar, directly before or behind the image), features of TFRecords, or `folder`: "
            "the name of each image's folder."
        )


def kept_columns(
    columns: Mapping[str, Any], keep: Sequence[str], address: str, text: str
) -> dict[str, Any]:
    """Return the columns to keep of a table, or of the partitions that it lies in.

    Args:
        columns: the columns of the table, with their Arrow types.
        keep: names of the columns to keep.
        text: the input as the user typed it, for messages.

    Raises:
        NoValueError: one is missing.
    """
    import pyarrow as pa

    for name in keep:
        if name not in columns and not has_partition(uris.path(address), name):
            raise NoValueError(
                f"{text}: no column {name!r} to keep; it has {', '.join(map(repr, columns))}."
            )
    return {name: columns.get(name, pa.string()) for name in keep}


def check_digest_column(digest: str | None, columns: Mapping[str, Any], text: str) -> None:
    """Raise NoValueError if a manifest lacks the column with digests that is named."""
    if digest is not None and digest not in columns:
        found = ", ".join(map(repr, columns)) or "no columns"
        raise NoValueError(f"{text}: no column {digest!r} for --check-digest; it has {found}.")


def keeping(source: Source, first: str, keep: Sequence[str], text: str) -> Source:
    """Return the source with the columns to keep that are not those of a table.

    Args:
        source: the source that holds images.
        first: name of its first image.
        keep: names of the columns to keep.
        text: the input as the user typed it, for messages.

    Raises:
        InputError: an archive has some of them, and no value of others.
    """
    import pyarrow as pa

    if not keep or source.keep:
        return source
    kept = replace(source, keep=dict.fromkeys(keep, pa.string()))
    if available(first, keep):
        return kept
    if source.kind not in ("container", "folder", "glob"):
        return source
    look = replace(kept, limit=_FIRST_IMAGES, is_look=True)
    rows = [each.extra_columns for each in look if each.extra_columns]
    empty = [name for at, name in enumerate(keep) if all(columns[at] is None for columns in rows)]
    if empty and len(empty) < len(keep):
        raise NoValueError(
            f"{text}: no value {empty[0]!r} to keep with its first {len(rows):,} images. "
            "Name an extension of the files beside them, or a feature of their records."
        )
    return source if empty else kept
