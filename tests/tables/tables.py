"""Outputs and tables for the tests of `imagebeam.tables`."""

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, Schema, write_deltalake
from pyiceberg.table import Table as IcebergTable

from imagebeam.outputs import identity, parts
from imagebeam.outputs.account import Plan, Tally, uri_digest
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.summary import summarise, write_summary
from imagebeam.storage import AnyPath
from imagebeam.tables import iceberg
from imagebeam.tables.commit import Committed, commit
from imagebeam.tables.delta import Delta
from imagebeam.tables.table import Table
from tests.outputs.outputs import IDENTITY, failed, labelled


def output(
    root: AnyPath,
    labels: Sequence[str],
    errors: Sequence[str] = (),
    make: Callable[..., pa.Table] = labelled,
    fail: Callable[..., pa.Table] = failed,
    **changed: Any,
) -> Layout:
    """Make a complete output with these rows, or replace the rows of one."""
    layout = Layout(root, changed.get("format", "parquet"))
    identity.claim(layout, IDENTITY | changed, overwrite=True)
    for number in range(0, max(len(labels), len(errors)), 2):
        some, bad = labels[number : number + 2], errors[number : number + 2]
        parts.write_part(layout, f"{number:032x}", make(*some), fail(*bad))
    finish(layout, labels, errors)
    return layout


def finish(layout: Layout, labels: Sequence[str], errors: Sequence[str]) -> None:
    """Write the summary of an output."""
    uris = [*labels, *errors]
    plan = Plan(
        requested=len(uris),
        seen=len(uris),
        to_do=len(uris),
        rows=len(uris),
        rows_digest=sum(map(uri_digest, uris)) % (1 << 128),
    )
    tally = Tally(1, len(labels), {"not_found": len(errors)} if errors else {})
    write_summary(layout, summarise(plan, tally, {"run_id": "run-1"}))


class Kind(ABC):
    """One table format, with the means to look at its tables without our code."""

    @abstractmethod
    def open(self) -> tuple[Table, Table]:
        """Open both tables with our code."""

    @abstractmethod
    def table(self, suffix: str = "") -> pa.Table:
        """Return the rows of the table whose name has this suffix."""

    @abstractmethod
    def snapshots(self) -> list[Mapping[str, Any]]:
        """Return the properties of all snapshots of the predictions, oldest first."""

    @abstractmethod
    def files(self) -> set[str]:
        """Return the data files of the predictions."""

    @abstractmethod
    def create(self, schema: pa.Schema, partitioned_by: str | None = None) -> None:
        """Create an empty table of predictions as another program would."""

    @abstractmethod
    def append(self, rows: pa.Table) -> None:
        """Add rows to the predictions as another program would."""

    def commit(
        self, root: AnyPath, partial: bool = False, overwrite: bool = False
    ) -> tuple[Committed, Committed]:
        return commit(root, *self.open(), partial=partial, overwrite=overwrite)

    def rows(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of predictions and of errors, by name."""
        first, second = (
            sorted(self.table(suffix).to_pylist(), key=itemgetter("uri"))
            for suffix in ("", "_errors")
        )
        return first, second

    def uris(self) -> tuple[list[str], list[str]]:
        """Return the names in both tables, sorted, as often as they are there."""
        first, second = ([row["uri"] for row in rows] for rows in self.rows())
        return first, second


class DeltaKind(Kind):
    """Tables of Delta Lake in a folder or a bucket."""

    def __init__(self, folder: AnyPath, options: dict[str, str] | None = None) -> None:
        self.place = folder / "labels"
        self.options = options or {}

    def open(self) -> tuple[Table, Table]:
        errors = self.place.with_name("labels_errors")
        return Delta(self.place, self.options), Delta(errors, self.options)

    def table(self, suffix: str = "") -> pa.Table:
        return self._table(suffix).to_pyarrow_table()

    def snapshots(self) -> list[Mapping[str, Any]]:
        return [*reversed(self._table().history())]

    def files(self) -> set[str]:
        return {*self._table().file_uris()}

    def create(self, schema: pa.Schema, partitioned_by: str | None = None) -> None:
        DeltaTable.create(str(self.place), Schema.from_arrow(schema), partition_by=partitioned_by)

    def append(self, rows: pa.Table) -> None:
        write_deltalake(self._table(), rows, mode="append", schema_mode="merge")

    def _table(self, suffix: str = "") -> DeltaTable:
        return DeltaTable(f"{self.place}{suffix}", storage_options=self.options)


class IcebergKind(Kind):
    """Tables of Iceberg in a catalogue that the environment describes."""

    def __init__(self, catalogue: str) -> None:
        self._catalogue = catalogue

    def open(self) -> tuple[Table, Table]:
        opened = iceberg.catalogue(self._catalogue)
        first, second = (
            iceberg.Iceberg(opened, ("photos", name)) for name in ("labels", "labels_errors")
        )
        return first, second

    def table(self, suffix: str = "") -> pa.Table:
        return self.loaded(suffix).scan().to_arrow()

    def snapshots(self) -> list[Mapping[str, Any]]:
        found = [each.summary for each in self.loaded().snapshots()]
        return [each.additional_properties for each in found if each]

    def files(self) -> set[str]:
        return {task.file.file_path for task in self.loaded().scan().plan_files()}

    def create(self, schema: pa.Schema, partitioned_by: str | None = None) -> None:
        opened = iceberg.catalogue(self._catalogue)
        opened.create_namespace_if_not_exists(("photos",))
        table = opened.create_table(("photos", "labels"), schema)
        if partitioned_by is not None:
            with table.update_spec() as update:
                update.add_identity(partitioned_by)

    def append(self, rows: pa.Table) -> None:
        self.loaded().append(rows)

    def loaded(self, suffix: str = "") -> IcebergTable:
        return iceberg.catalogue(self._catalogue).load_table(f"photos.labels{suffix}")


def unused() -> str:
    """Return a name that no other test uses."""
    return uuid.uuid4().hex


def account(properties: Mapping[str, Any]) -> Any:
    """Return the account that a snapshot carries."""
    return json.loads(properties["imagebeam.account"])
