"""Commits an output to a table of predictions and one of errors, each in one snapshot.

The tables hold copies of the rows, in files of their own: compaction, a retry or `--overwrite`
replaces files of an output, and a table whose files vanish is lost, as is every earlier snapshot.
What a commit has to change is found by comparing the rows themselves, so it needs no notes about
earlier commits, and it does not matter which of them was killed.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from imagebeam.outputs import verify
from imagebeam.outputs.account import uri_digest
from imagebeam.outputs.digests import Digests, is_in
from imagebeam.outputs.documents import own_file
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.identity import read
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import opened
from imagebeam.outputs.progress import ProgressWatcher
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import ERRORS, RUN_COLUMNS, PredictionSchema
from imagebeam.outputs.summary import read_summary
from imagebeam.storage import AnyPath
from imagebeam.tables import rows
from imagebeam.tables.table import Change, Owner, Table, TableError

Show = Callable[[str, int, int], object]


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
        root: of the output.
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
    source = _Source.open(root, partial, show)
    # Both are compared before one is changed: a table that is refused leaves the other as it was.
    plans = [
        _compared(table, source, found, overwrite)
        for table, found in ((predictions, source.predictions), (errors, source.errors))
    ]
    first, second = (plan.run() for plan in plans)
    return first, second


@dataclass(frozen=True)
class _Rows:
    """The finished rows of one kind: predictions or errors.

    Attributes:
        parts: their files.
        own_schema: as the job writes them.
        schema: of their table.
        digests: of all of them, sorted.
    """

    parts: Sequence[AnyPath]
    own_schema: pa.Schema
    schema: pa.Schema
    digests: Digests

    def among(self, wanted: Digests) -> Iterator[pa.RecordBatch]:
        """Yield the rows that have one of some digests.

        Raises:
            OutputError: some of them are gone: the output was written to.
        """
        found = 0
        for part in self.parts:
            for batch in rows.batches(part, self.own_schema, self.schema):
                some = batch.filter(pa.array(is_in(rows.digests(batch), wanted)))
                found += some.num_rows
                if some.num_rows:
                    yield some
        if found != len(wanted):
            raise OutputError(
                f"{len(wanted) - found:,} rows are no longer in the output: it was written to "
                "meanwhile. Run the same command again when that has ended."
            )


@dataclass(frozen=True)
class _Source:
    """An output whose rows were read once."""

    root: AnyPath
    predictions: _Rows
    errors: _Rows
    properties: Mapping[str, str]

    @staticmethod
    def open(root: AnyPath, partial: bool, show: Show) -> "_Source":
        layout, identity = read(root)
        before = verify.fingerprint(layout)
        is_complete = layout.summary.exists()
        if not is_complete and not partial:
            raise _unfinished(layout)
        emitted = PredictionSchema(tuple(identity["emit"]), 0, None, {}).arrow()
        kept = identity.get("kept") or {}
        uri_total = 0

        def read_rows(parts: Sequence[AnyPath], own: pa.Schema) -> _Rows:
            nonlocal uri_total
            own_schema = _with_kept(own, parts, kept)
            schema = rows.table_schema(own_schema)
            found = []
            for number, part in enumerate(parts):
                show(f"reading {part.parent.name}", number, len(parts))
                for batch in rows.batches(part, own_schema, schema):
                    found.append(rows.digests(batch))
                    uri_total += sum(map(uri_digest, batch.column("uri").to_pylist()))
            return _Rows(parts, own_schema, schema, rows.joined(found))

        predictions = read_rows(sorted(layout.prediction_parts()), emitted)
        errors = read_rows(sorted(layout.error_parts()), ERRORS)
        if is_complete:
            _check_account(layout, predictions, errors, uri_total)
        if verify.fingerprint(layout) != before:
            raise OutputError(f"{root}: was written to meanwhile. Try again when that has ended.")
        return _Source(root, predictions, errors, _properties(layout, identity, is_complete))


def _unfinished(layout: Layout) -> OutputError:
    progress = ProgressWatcher(layout, and_earlier=True).look()
    of = "" if progress.plan is None else f" of {progress.plan.rows:,}"
    return OutputError(
        f"{layout.root}: its job is not complete: {progress.done:,}{of} images have a row. Run its "
        f"command again to finish it, or use --partial to commit these {progress.done:,} rows."
    )


def _with_kept(own: pa.Schema, parts: Sequence[AnyPath], kept: Mapping[str, str]) -> pa.Schema:
    """Return the columns that a job writes, with the types of its --keep columns."""
    if not kept:
        return own
    for part in parts:
        if part.suffix == ".parquet":
            with opened(part) as file:
                found = file.schema_arrow
            return pa.schema([*own, *(found.field(name) for name in kept)])
    try:
        return pa.schema([*own, *((name, _type(name, kind)) for name, kind in kept.items())])
    except ValueError as error:
        raise OutputError(
            f"--keep column: {error}. Label with --format parquet to commit such columns."
        ) from error


def _type(name: str, kind: str) -> pa.DataType:
    known = RUN_COLUMNS.get(name)
    return known if str(known) == kind else pa.type_for_alias(kind)


def _check_account(layout: Layout, predictions: _Rows, errors: _Rows, uri_total: int) -> None:
    with own_file(layout.summary, "Run its command again."):
        summary = read_summary(layout)
    found = len(predictions.digests) + len(errors.digests)
    if (found, f"{uri_total % (1 << 128):032x}") != (summary["rows"], summary["rows_digest"]):
        raise OutputError(
            f"{layout.root}: its {found:,} rows are not the {summary['rows']:,} that summary.json "
            "counts. Run `imagebeam verify` for details."
        )


def _properties(layout: Layout, identity: Mapping[str, Any], is_complete: bool) -> dict[str, str]:
    """Return what both snapshots say about where their rows come from."""
    summary = read_summary(layout) if is_complete else {}
    run = RunToken.latest(layout)
    account = {name: summary[name] for name in ("output", "run") if name in summary}
    return {
        "imagebeam.output": str(layout.root),
        "imagebeam.run": str(summary.get("run_id") or (run.id if run else "")),
        "imagebeam.complete": str(is_complete).lower(),
        "imagebeam.module": str(identity["module"]),
        "imagebeam.module-digest": str(identity["module_digest"]),
        "imagebeam.account": json.dumps(account, separators=(",", ":")),
    }


@dataclass(frozen=True)
class _Plan:
    """The changes that one table needs."""

    table: Table
    found: _Rows
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
        change = Change(
            self.found.schema,
            lambda: _noting(self.found.among(self.added), failures),
            self.gone,
            Owner(self.properties["imagebeam.output"], rows.total(self.found.digests)),
            {**self.properties, "imagebeam.rows": str(count)},
        )
        try:
            snapshot = self.table.commit(change)
        except Exception as error:
            # What was raised while a library read the rows comes back as an error of the library.
            raise (failures[0] if failures else error) from None
        return Committed(self.table.name, snapshot, len(self.added), self.removed, count)


def _noting(found: Iterator[pa.RecordBatch], failures: list[Exception]) -> Iterator[pa.RecordBatch]:
    try:
        yield from found
    except Exception as error:
        failures.append(error)
        raise


def _compared(table: Table, source: _Source, found: _Rows, overwrite: bool) -> _Plan:
    """Compare a table with the rows that it shall hold.

    Raises:
        TableError: it must not be changed.
    """
    columns = table.schema()
    if columns is not None:
        _check_columns(table, columns, found.schema)
    wanted = found.digests
    there = rows.joined(
        [rows.digests(rows.conform(batch, found.schema)) for batch in table.batches()]
    )
    has_columns = columns is not None and {*columns.names} == {*found.schema.names}
    if has_columns and np.array_equal(there, wanted):
        return _Plan(table, found, source.properties, wanted[:0], None, 0, is_needed=False)
    if len(there) and overwrite:
        return _Plan(table, found, source.properties, wanted, None, len(there), is_needed=True)
    if len(there):
        _check_owner(table, source, there)
    gone: Digests | None = there[~is_in(there, wanted)]
    added = wanted[~is_in(wanted, there)]
    removed = len(there) - (len(wanted) - len(added))
    if gone is not None and len(gone) == len(there) and len(there):
        gone = None
    return _Plan(table, found, source.properties, added, gone, removed, is_needed=True)


def _check_columns(table: Table, columns: pa.Schema, expected: pa.Schema) -> None:
    """Refuse a table that has columns which the output lacks, or of other types."""
    differences = []
    for field in columns:
        if field.name not in expected.names:
            differences.append(f"the output has no column {field.name!r}")
        elif (kind := rows.table_schema(pa.schema([field])).field(0).type) != (
            wanted := expected.field(field.name).type
        ):
            differences.append(f"column {field.name!r} is {kind}, not {wanted}")
    if differences:
        raise TableError(
            f"{table.name}: has another schema: {'; '.join(differences)}. Commit to another table. "
            "Columns of your own belong into a table of your own, which is joined by `uri`."
        )


def _check_owner(table: Table, source: _Source, there: Digests) -> None:
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
