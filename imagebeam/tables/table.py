"""The interface of a table for commits, whatever its format."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa

from imagebeam.errors import ImagebeamError
from imagebeam.outputs.digests import Digests, is_in
from imagebeam.storage.clean_text import clean_text
from imagebeam.tables import rows


class TableError(ImagebeamError, ValueError):
    """A table that cannot be used; the text states value, reason and fix."""


class ConflictError(ImagebeamError, RuntimeError):
    """Another commit changed or created the table meanwhile; the text states reason and fix."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"{table}: another commit changed the table at the same time, so this one wrote "
            "nothing. Run the same command again."
        )


@dataclass(frozen=True)
class Owner:
    """The output whose rows a table holds, and the rows that its last commit left there.

    Attributes:
        output: the folder.
        total: `rows.total` of all rows of the table.
    """

    output: str
    total: str


@dataclass(frozen=True)
class TableChange:
    """The changes of one commit to a table.

    Attributes:
        schema: the columns of the table afterwards.
        added: yields the rows to add; may be called several times.
        gone: sorted digests of the rows to remove; None replaces all rows.
        properties: facts that the snapshot carries.
    """

    schema: pa.Schema
    added: Callable[[], Iterator[pa.RecordBatch]]
    gone: Digests | None
    owner: Owner
    properties: Mapping[str, str] = field(default_factory=dict)

    def is_gone(self, batch: pa.RecordBatch) -> "np.typing.NDArray[np.bool_]":
        """Return which rows of a batch are to be removed."""
        if self.gone is None:
            return np.ones(batch.num_rows, np.bool_)
        return is_in(rows.digests(rows.conform(batch, self.schema)), self.gone)


class Table(Protocol):
    """One version of a table. It does not show later commits of other processes.

    Attributes:
        name: for messages.
        ignores_case: whether names of columns that differ only in case are the same.
    """

    name: str
    ignores_case: bool

    def schema(self) -> pa.Schema | None:
        """Return the columns; None if there is no table yet."""

    def owner(self, output: str) -> Owner | None:
        """Return what the last commit of this output left; None if it never committed here."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows."""

    def commit(self, change: TableChange) -> str:
        """Change the table in one snapshot, or not at all; return the name of the snapshot.

        Raises:
            ConflictError: the table has changed since this version.
            TableError: the table cannot be written.
        """


def shortened(error: Exception) -> str:
    """Return a library's message on one line, shortened, without colours and secrets."""
    text = re.sub(r"\x1b\[[0-9;]*m|↳", "", str(error)) or type(error).__name__
    # Some libraries append the stack of their own language, or the rows that they refuse.
    text = re.split(r"\n\s+0: |\s+Preview of ", text)[0]
    return clean_text(" ".join(text.split()))[:_LONGEST].rstrip(". ")


_LONGEST = 300


def fix_for(error: Exception, place: str) -> str:
    """Return the fix for an error of a library; `place` names what else to check."""
    if "No space left on device" in str(error):
        return "Free space there, then run the same command again."
    if "No default path is set" in str(error):
        return "Give the catalogue a property `warehouse`, the folder or bucket for its tables."
    if "failed validation" in str(error):
        return "The table has a rule that these rows break: drop it, or commit to another table."
    if isinstance(error, NotImplementedError) or "nsupported" in str(error):
        return "The table uses what the library cannot write: commit to another table."
    return (
        f"Check the {place}, the credentials and the network; if they are right, restore an "
        "earlier version of the table or choose another one."
    )
