"""Tables of Apache Iceberg, read and written with `pyiceberg`, which needs no Java."""

import itertools
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pyarrow as pa

from imagebeam.errors import ImagebeamError
from imagebeam.extras import install_command
from imagebeam.tables import credentials, rows
from imagebeam.tables.table import ConflictError, Owner, TableChange, TableError, fix_for, shortened

try:
    from pyiceberg import exceptions
    from pyiceberg.catalog import Catalog, load_catalog
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.io.pyarrow import (
        ArrowScan,
        _dataframe_to_data_files,
        bin_pack_record_batches,
        schema_to_pyarrow,
    )
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.utils.config import Config
except ImportError:
    raise TableError(f"--iceberg needs pyiceberg. Run `{install_command('iceberg')}`.") from None
# Its import reads the configuration.
except Exception as error:
    raise TableError(
        f".pyiceberg.yaml: cannot be read: {shortened(error)}. Correct the file; pyiceberg looks "
        "for it in $PYICEBERG_HOME, the home folder and the current one."
    ) from error

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Transaction

_OUTPUT, _TOTAL = "imagebeam.output", "imagebeam.rows-digest"
_FILE_BYTES = 128_000_000
"""Of rows in memory; a file of them takes a fifth to a half of it."""


class Iceberg:
    """A table of Iceberg in a catalogue that the user has configured.

    All that a commit changes is one update of the catalogue: the columns, one snapshot, and the
    properties of the table, which outlive that snapshot.
    """

    ignores_case = False

    def __init__(self, catalogue: Catalog, identifier: tuple[str, ...]) -> None:
        """Open the latest version of a table, if there is one.

        Args:
            catalogue: the catalogue that has the table, or gets it.
            identifier: the namespace and the table.

        Raises:
            TableError: the catalogue does not answer, or the table cannot be written.
        """
        self.name = ".".join((catalogue.name, *identifier))
        self._identifier = identifier
        self._catalogue = catalogue
        self._table: IcebergTable | None = None
        missing = (exceptions.NoSuchTableError, exceptions.NoSuchNamespaceError)
        with self._translated(), suppress(*missing):
            self._table = catalogue.load_table(identifier)

    def schema(self) -> pa.Schema | None:
        """Return the columns; None if there is no table yet."""
        if self._table is None:
            return None
        return schema_to_pyarrow(self._table.schema(), include_field_ids=False)

    def owner(self, output: str) -> Owner | None:
        """Return what the last commit of this output left; None if it never committed here."""
        properties = {} if self._table is None else self._table.properties
        if properties.get(_OUTPUT) != output:
            return None
        return Owner(output, properties.get(_TOTAL, ""))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows."""
        for task in self._files():
            yield from self._rows(task)

    def commit(self, change: TableChange) -> str:
        """Change the table in one snapshot, or not at all; return the snapshot's id."""
        with self._translated():
            transaction = self._begin(change)
            snapshot = transaction.update_snapshot(
                snapshot_properties=dict(change.properties)
            ).overwrite()
            rewritten = []
            if change.gone is None or len(change.gone):
                for task in self._files():
                    if any(change.is_gone(batch).any() for batch in self._rows(task)):
                        snapshot.delete_data_file(task.file)
                        rewritten.append(task)
            for file in self._write(transaction, change, self._changed_rows(change, rewritten)):
                snapshot.append_data_file(file)
            snapshot.commit()
            transaction.set_properties({_OUTPUT: change.owner.output, _TOTAL: change.owner.total})
            transaction.commit_transaction()
            return str(snapshot.snapshot_id)

    def _begin(self, change: TableChange) -> "Transaction":
        if self._table is None:
            self._catalogue.create_namespace_if_not_exists(self._identifier[:-1])
            return self._catalogue.create_table_transaction(self._identifier, change.schema)
        transaction = self._table.transaction()
        there = self._table.schema().as_struct()
        # Facts about the columns of the table stay, such as that they are required.
        if new := [each for each in change.schema if there.field_by_name(each.name) is None]:
            with transaction.update_schema() as update:
                update.union_by_name(pa.schema(new))
        return transaction

    def _files(self) -> "Iterator[FileScanTask]":
        if self._table is not None:
            with self._translated():
                yield from self._table.scan().plan_files()

    def _rows(self, task: "FileScanTask") -> Iterator[pa.RecordBatch]:
        """Yield the rows of one data file that the table has not deleted."""
        assert self._table is not None
        metadata = self._table.metadata
        scan = ArrowScan(metadata, self._table.io, metadata.schema(), AlwaysTrue())
        with self._translated():
            yield from scan.to_record_batches([task])

    def _changed_rows(
        self, change: TableChange, rewritten: "list[FileScanTask]"
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows that stay of the files to rewrite, then the rows to add."""
        if change.gone is not None:
            for task in rewritten:
                for batch in self._rows(task):
                    yield batch.filter(pa.array(~change.is_gone(batch)))
        yield from change.added()

    def _write(
        self, transaction: "Transaction", change: TableChange, found: Iterator[pa.RecordBatch]
    ) -> "Iterator[DataFile]":
        """Write rows to the data files of their partitions, and yield these.

        The function of the library is private; every test that commits fails if it is gone.

        Upstream: make the function that finds the partitions of rows public, as `write_file` is.
        """
        commit_id, numbers = uuid.uuid4(), itertools.count()
        conformed = (rows.conform(batch, change.schema) for batch in found)
        # It writes all files of the rows that it is given at once.
        for some in bin_pack_record_batches(conformed, _FILE_BYTES):
            yield from _dataframe_to_data_files(
                transaction.table_metadata,
                pa.Table.from_batches(some),
                _io(transaction),
                commit_id,
                numbers,
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ImagebeamError:
            raise
        except (
            exceptions.CommitFailedException,
            exceptions.ValidationException,
            exceptions.TableAlreadyExistsError,
        ) as error:
            raise ConflictError(self.name) from error
        # Every kind of catalogue has a client library with errors of its own.
        except Exception as error:
            raise TableError(
                f"{self.name}: {shortened(error)}. {fix_for(error, 'catalogue')}"
            ) from error


def _io(transaction: "Transaction") -> "FileIO":
    """Return the files of the table that a transaction changes or creates.

    The attribute is private. Every test that commits to a new table fails if it is gone.

    Upstream: make the FileIO public, as `Transaction.table_metadata` is. Without it, `write_file`
    cannot write data files of a table that `create_table_transaction` stages.
    """
    return transaction._table.io


def catalogue(name: str) -> Catalog:
    """Open a catalogue that is configured for pyiceberg; raise TableError if that fails."""
    config = Config()
    try:
        known = config.get_known_catalogs()
    except ValueError:
        known = []
    if name not in known:
        raise TableError(
            f"{name}: no such catalogue is configured for pyiceberg (known: "
            f"{', '.join(known) or 'none'}). Describe it in ~/.pyiceberg.yaml, or in "
            f"PYICEBERG_CATALOG__{name.upper()}__URI and similar variables."
        )
    try:
        configured = {
            key: str(value) for key, value in (config.get_catalog_config(name) or {}).items()
        }
        return load_catalog(name, **credentials.iceberg_properties(configured), **configured)
    except Exception as error:
        raise TableError(
            f"{name}: the catalogue cannot be opened: {shortened(error)}. Check its properties in "
            "~/.pyiceberg.yaml, and the network."
        ) from error
