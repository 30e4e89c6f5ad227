"""Commit an output to a table of predictions and one of errors, each in one snapshot.

The tables hold copies of the rows, in files of their own: compaction, a retry or `--overwrite`
replaces files of an output, and a table whose files vanish is lost, as is every earlier snapshot.
Comparing the rows themselves shows what a commit has to change, so it needs no notes about
earlier commits, and it does not matter which of them was killed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from imagebeam.outputs.digests import Digests, is_in
from imagebeam.storage import AnyPath
from imagebeam.tables import rows
from imagebeam.tables.source import CommitSource, FinishedRows, Show
from imagebeam.tables.table import Owner, Table, TableChange, TableError


@dataclass(frozen=True)
class Committed:
    """The changes that a commit made to one table.

    Attributes:
        table: its name.
        snapshot: name of the new version; None if nothing had to change.
        added: rows that are new in the table.
        removed: rows that are no longer in it; a row with a new value counts in both.
        rows: in the table now.
    """

    table: str
    snapshot: str | None
    added: int
    removed: int
    rows: int


def commit(
    root: AnyPath,
    predictions: Table,
    errors: Table,
    partial: bool = False,
    overwrite: bool = False,
    show: Show = lambda what, done, of: None,
) -> tuple[Committed, Committed]:
    """Make two tables hold exactly the rows of an output.

    The output is read twice and each table once or twice, batch by batch. One digest of 16 bytes
    per row is held in memory, of the output and of the tables.

    Args:
        predictions: the table of labelled images.
        errors: the table of failed images.
        partial: commit the finished rows of a job that is not complete.
        overwrite: replace all rows of tables that others have written or changed.
        show: called with what is being read, and the number of parts read and to read.

    Returns:
        what was done to each table.

    Raises:
        OutputError: the folder is not a complete output, or is being written to.
        DamagedPartError: a part cannot be read.
        TableError: a table has other columns, or rows that no commit of this output wrote.
        ConflictError: another commit changed a table at the same time.
    """
    source = CommitSource.open(root, partial, show)
    # Both are compared before one is changed: a table that is refused leaves the other as it was.
    plans = [
        _compared(table, source, found, overwrite)
        for table, found in ((predictions, source.predictions), (errors, source.errors))
    ]
    first, second = (plan.run() for plan in plans)
    return first, second


@dataclass(frozen=True)
class _PlannedChange:
    """The changes that one table needs."""

    table: Table
    schema: pa.Schema
    found: FinishedRows
    properties: Mapping[str, str]
    added: Digests
    gone: Digests | None
    removed: int
    is_needed: bool

    def run(self) -> Committed:
        count = len(self.found.digests)
        if not self.is_needed:
            return Committed(self.table.name, None, 0, 0, count)
        failures: list[Exception] = []
        change = TableChange(
            self.schema,
            lambda: _noting(self.found.among(self.added), failures),
            self.gone,
            Owner(self.properties["imagebeam.output"], rows.total(self.found.digests)),
            {**self.properties, "imagebeam.rows": str(count)},
        )
        try:
            snapshot = self.table.commit(change)
        except Exception as error:
            # An exception from reading the rows comes back as an error of the library.
            raise (failures[0] if failures else error) from None
        return Committed(self.table.name, snapshot, len(self.added), self.removed, count)


def _noting(found: Iterator[pa.RecordBatch], failures: list[Exception]) -> Iterator[pa.RecordBatch]:
    try:
        yield from found
    except Exception as error:
        failures.append(error)
        raise


def _compared(
    table: Table, source: CommitSource, found: FinishedRows, overwrite: bool
) -> _PlannedChange:
    """Compare a table with the rows that it shall hold; raise TableError to leave it as it is."""
    if table.ignores_case:
        _check_names(table, found.schema)
    columns = table.schema()
    schema = found.schema if columns is None else _columns(table, columns, found.schema)
    wanted = found.digests
    there = rows.joined([rows.digests(rows.conform(batch, schema)) for batch in table.batches()])
    has_columns = columns is not None and {*columns.names} == {*found.schema.names}
    if has_columns and np.array_equal(there, wanted):
        return _PlannedChange(
            table, schema, found, source.properties, wanted[:0], None, 0, is_needed=False
        )
    if len(there) and overwrite:
        return _PlannedChange(
            table, schema, found, source.properties, wanted, None, len(there), is_needed=True
        )
    if len(there):
        _check_owner(table, source, there)
    gone, added = there[~is_in(there, wanted)], wanted[~is_in(wanted, there)]
    removed = len(there) - (len(wanted) - len(added))
    replaced = None if len(gone) == len(there) > 0 else gone
    return _PlannedChange(
        table, schema, found, source.properties, added, replaced, removed, is_needed=True
    )


def _check_names(table: Table, expected: pa.Schema) -> None:
    """Refuse an output with columns whose names differ only in case."""
    first: dict[str, str] = {}
    for name in expected.names:
        other = first.setdefault(name.lower(), name)
        if other != name:
            raise TableError(
                f"{table.name}: its format cannot tell the columns {other!r} and {name!r} apart. "
                f"Label again with another name, such as --keep {name}=known_{name}, or commit to "
                "Iceberg."
            )


def _columns(table: Table, columns: pa.Schema, expected: pa.Schema) -> pa.Schema:
    """Return the columns of an output with the types that a table has for them.

    Raises:
        TableError: the table has columns that the output lacks, or in which its values do not fit.
    """
    types, differences = {}, []
    for field in columns:
        if field.name not in expected.names:
            differences.append(f"the output has no column {field.name!r}")
            continue
        kind, wanted = rows.stored_type(field), expected.field(field.name).type
        if not rows.fits(wanted, kind):
            differences.append(f"column {field.name!r} is {kind}, not {wanted}")
        types[field.name] = kind
    if differences:
        raise TableError(
            f"{table.name}: has another schema: {'; '.join(differences)}. Commit to another table. "
            "Columns of your own belong into a table of your own, which is joined by `uri`."
        )
    return pa.schema([(field.name, types.get(field.name, field.type)) for field in expected])


def _check_owner(table: Table, source: CommitSource, there: Digests) -> None:
    """Refuse a table whose rows are not those that the last commit of this output left."""
    owner = table.owner(str(source.root))
    if owner is not None and rows.total(there).startswith(owner.total):
        return
    reason = (
        f"holds {len(there):,} rows that no commit of {source.root} wrote"
        if owner is None
        else "its rows were changed by another program after the last commit of this output"
    )
    raise TableError(
        f"{table.name}: {reason}. Commit to another table, or use --overwrite to replace all its "
        "rows; earlier versions of the table stay readable."
    )
