"""Tables of Delta Lake, read and written with `deltalake`, which needs no Java."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa

from imagebeam.errors import ImagebeamError
from imagebeam.extras import install_command
from imagebeam.storage import AnyPath
from imagebeam.tables import rows
from imagebeam.tables.table import ConflictError, Owner, TableChange, TableError, fix_for, shortened

try:
    from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError, TableNotFoundError
except ImportError:
    raise TableError(f"--delta needs deltalake. Run `{install_command('delta')}`.") from None

_APPEND_ONLY = "delta.appendOnly"
_GONE = "__gone"
_ESCAPED = re.compile("%[0-9A-Fa-f]{2}")
_DIGITS = 15
"""Hexadecimal digits of an owner's digest, which fit into the signed 64-bit number of a log."""


class Delta:
    """A table of Delta Lake.

    The log keeps one number per writer for good, unlike the properties of a commit. In it, a commit
    leaves part of the digest of the table's rows.
    """

    ignores_case = True

    def __init__(self, place: AnyPath, options: Mapping[str, str]) -> None:
        """Open the latest version of a table, if there is one.

        Args:
            place: the place of the table, a folder.
            options: made by `credentials.delta_options`.

        Raises:
            TableError: it cannot be read, or is something else.
        """
        self.name = str(place)
        self._options = dict(options)
        self._table: DeltaTable | None = None
        if _ESCAPED.search(self.name):
            # It writes the table there, and looks for it elsewhere.
            raise TableError(
                f"{place}: deltalake takes a percent sign before two digits for an escape. Choose "
                "another --delta."
            )
        if isinstance(place, Path) and place.is_file():
            raise TableError(f"{place}: is a file. Choose another --delta.")
        with self._translated(), suppress(TableNotFoundError):
            self._table = DeltaTable(self.name, storage_options=self._options)
        if self._table is None:
            _check_unused(place)
        elif self._table.metadata().configuration.get(_APPEND_ONLY) == "true":
            raise TableError(
                f"{self.name}: takes no changes of rows, because its property {_APPEND_ONLY} is "
                "true. Set it to false, or commit to another table."
            )

    def schema(self) -> pa.Schema | None:
        """Return the columns; None if there is no table yet."""
        return None if self._table is None else pa.schema(self._table.schema().to_arrow())

    def owner(self, output: str) -> Owner | None:
        """Return what the last commit of this output left; None if it never committed here."""
        number = None if self._table is None else self._table.transaction_version(_writer(output))
        return None if number is None else Owner(output, f"{number:0{_DIGITS}x}")

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows."""
        if self._table is None:
            return
        with self._translated():
            query = QueryBuilder(_SESSION).register("t", self._table)
            yield from pa.RecordBatchReader.from_stream(query.execute("SELECT * FROM t"))

    def commit(self, change: TableChange) -> str:
        """Change the table in one commit, or not at all; return its version."""
        properties = CommitProperties(
            custom_metadata=dict(change.properties),
            app_transactions=[
                Transaction(_writer(change.owner.output), int(change.owner.total[:_DIGITS], 16))
            ],
            # This version was compared: any later one is a conflict.
            max_commit_retries=0,
        )
        with self._translated():
            if change.gone is not None and len(change.gone):
                self._merge(change, properties)
            else:
                self._write(change, properties)
            if self._table is None:
                self._table = DeltaTable(self.name, storage_options=self._options)
            return str(self._table.version())

    def _write(self, change: TableChange, properties: CommitProperties) -> None:
        schema = self._written(change)
        conformed = (rows.conform(batch, schema) for batch in change.added())
        added = pa.RecordBatchReader.from_batches(schema, conformed)
        if self._table is None:
            write_deltalake(
                self.name, added, storage_options=self._options, commit_properties=properties
            )
            return
        write_deltalake(
            self._table,
            added,
            mode="overwrite" if change.gone is None else "append",
            schema_mode="merge" if self._is_wider(schema) else None,
            commit_properties=properties,
        )

    def _merge(self, change: TableChange, properties: CommitProperties) -> None:
        assert self._table is not None
        schema = self._written(change)
        flag = _GONE
        while flag in schema.names:
            flag += "_"
        # The rows to remove have only a name.
        flagged = pa.schema(
            [*(field.with_nullable(True) for field in schema), pa.field(flag, pa.bool_())]
        )
        # Read before the merge starts: while it runs, the library cannot read the table for us.
        gone = self._gone(change)
        source = pa.RecordBatchReader.from_batches(flagged, _flagged(change, gone, flagged))
        self._table.merge(
            source,
            "t.uri = s.uri",
            source_alias="s",
            target_alias="t",
            merge_schema=self._is_wider(schema),
            commit_properties=properties,
        ).when_matched_delete(f"s.{flag}").when_matched_update_all(
            f"NOT s.{flag}", except_cols=[flag]
        ).when_not_matched_insert_all(f"NOT s.{flag}", except_cols=[flag]).execute()

    def _written(self, change: TableChange) -> pa.Schema:
        """Return the columns to write: the library cannot write to columns of a similar type."""
        there = self.schema() or pa.schema([])
        return pa.schema(
            there.field(field.name) if field.name in there.names else field
            for field in change.schema
        )

    def _is_wider(self, schema: pa.Schema) -> bool:
        """Return whether the table must get columns, which some tables refuse."""
        there = self.schema()
        return there is not None and not {*schema.names} <= {*there.names}

    def _gone(self, change: TableChange) -> set[str]:
        """Return the names of the images whose rows are to be removed."""
        names: set[str] = set()
        for batch in self.batches():
            # The library reads texts of a type that Arrow cannot filter.
            uris = batch.column("uri").cast(pa.string())
            names.update(uris.filter(pa.array(change.is_gone(batch))).to_pylist())
        return names

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ImagebeamError:
            raise
        # Arrow passes on errors of the library that occur while it reads rows, and some errors of
        # the library have no type but `Exception`.
        except Exception as error:
            if _UNSUPPORTED not in str(error) and (
                isinstance(error, CommitFailedError) or "already exists" in str(error)
            ):
                raise ConflictError(self.name) from error
            raise TableError(
                f"{self.name}: {shortened(error)}. {fix_for(error, 'name')}"
            ) from error


_UNSUPPORTED = "Unsupported table features"
_SESSION = {"datafusion.execution.parquet.schema_force_view_types": "false"}


def _writer(output: str) -> str:
    return f"imagebeam {output}"


def _flagged(change: TableChange, gone: set[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows to add, then the names of the rows to remove that have no new value."""
    for batch in change.added():
        gone.difference_update(batch.column("uri").to_pylist())
        yield _with_flag(batch, False, schema)
    names = pa.RecordBatch.from_arrays([pa.array(gone, pa.string())], ["uri"])
    yield _with_flag(names, True, schema)


def _with_flag(batch: pa.RecordBatch, value: bool, schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows with the columns of a schema, of which the last is the flag."""
    flags = pa.array(np.full(batch.num_rows, value))
    return rows.conform(batch.append_column(schema.names[-1], flags), schema)


def _check_unused(place: AnyPath) -> None:
    """Refuse a folder that is used for something else. A killed commit leaves only data files."""
    try:
        names = [path.name for path in place.iterdir()]
    except FileNotFoundError:
        return
    except NotADirectoryError:
        names = [place.name]
    for name in names:
        if name != "_delta_log" and not (name.startswith("part-") and name.endswith(".parquet")):
            raise TableError(
                f"{place}: holds no table of Delta Lake but {name!r}. Choose another --delta, "
                "which does not exist yet or is a table."
            )
