"""Read the labelled rows of an output, part by part and in bounded memory."""

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from imagebeam.outputs import identity, tfrecord_parts, verify
from imagebeam.outputs.errors import DamagedPartError, OutputError
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import opened, readable
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.storage import AnyPath

_BATCH_ROWS = 2048

Row = dict[str, Any]
"""A row by column; `top_k` is a list of dicts with `class`, `label` and `score`."""


@dataclass(frozen=True)
class Output:
    """An output that is opened for reading.

    Attributes:
        schema: the schema of its predictions, apart from --keep columns.
        columns: the columns of its predictions, in their order.
        is_complete: whether its job is complete.
    """

    layout: Layout
    schema: pa.Schema
    columns: tuple[str, ...]
    is_complete: bool

    @staticmethod
    def open(root: AnyPath) -> "Output":
        """Open an output; raise OutputError if the folder is none, or is being compacted."""
        layout, claimed = identity.read(root)
        verify.fingerprint(layout)
        schema = PredictionSchema(tuple(claimed["emit"]), 0, None, {}).arrow()
        kept = claimed.get("kept")
        columns = (*schema.names, *(kept if isinstance(kept, Mapping) else ()))
        return Output(layout, schema, columns, layout.summary.exists())

    def require(self, columns: Sequence[str], purpose: str) -> None:
        """Raise OutputError, with similar names, for columns that the output does not have."""
        for name in columns:
            if name not in self.columns:
                raise OutputError(
                    f"{self.layout.root}: has no column {name!r}, which {purpose} needs. "
                    f"{_similar(name, self.columns) or 'Its columns: ' + ', '.join(self.columns)}."
                )

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield all labelled rows with these columns, in the order of the parts' names.

        Raises:
            OutputError: another process compacted or took over the output meanwhile.
            DamagedPartError: a part cannot be read to its end.
        """
        before = verify.fingerprint(self.layout)
        try:
            for part in sorted(self.layout.prediction_parts()):
                yield from readable(part, _rows(part, columns, self.schema))
        except (DamagedPartError, FileNotFoundError):
            # A part that has just been replaced looks like a damaged one.
            self._check_unchanged(before)
            raise
        self._check_unchanged(before)

    def _check_unchanged(self, before: object) -> None:
        if verify.fingerprint(self.layout) != before:
            raise OutputError(
                f"{self.layout.root}: was written to meanwhile. Try again when that has ended."
            )


@dataclass
class Selection:
    """Selects rows by label and score, and remembers which labels the output has.

    Attributes:
        labels: exact names, in any case; none selects all.
        min_score: rows with a lower score are left out.
        top: number of best classes per row that count.
    """

    labels: Sequence[str] = ()
    min_score: float = 0.0
    top: int = 1
    _found: set[str] = field(default_factory=set)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that `classes` needs."""
        return ("label", "score") if self.top == 1 else ("label", "score", "top_k")

    def classes(self, row: Row) -> list[tuple[str, float]]:
        """Return the selected (label, score) of a row, best first; empty leaves the row out."""
        wanted = {label.casefold() for label in self.labels}
        best = (
            [(row["label"], row["score"])]
            if self.top == 1
            else [(entry["label"], entry["score"]) for entry in row["top_k"][: self.top]]
        )
        self._found.update(label for label, _ in best)
        selected = [(label, score) for label, score in best if score >= self.min_score]
        if wanted and not any(label.casefold() in wanted for label, _ in selected):
            return []
        return selected

    def check(self, output: Output) -> None:
        """Raise OutputError, with similar labels, for labels that no row had. Call this last."""
        known = {label.casefold(): label for label in self._found}
        for label in self.labels:
            if label.casefold() not in known:
                raise OutputError(
                    f"{label!r}: no image in {output.layout.root} has this label. "
                    f"{similar_labels(label, self._found) or 'Give another label'}."
                )


def similar_labels(text: str, labels: set[str]) -> str:
    """Return a phrase with the labels most similar to a text; empty if none is."""
    known = {label.casefold(): label for label in labels}
    # The words of long labels count too, as in "tabby, tabby cat".
    words = {word: label for low, label in known.items() for word in low.replace(",", " ").split()}
    close = [known[low] for low in difflib.get_close_matches(text.casefold(), list(known), 3)]
    close += [words[word] for word in difflib.get_close_matches(text.casefold(), list(words), 3)]
    names = list(dict.fromkeys(close))[:3]
    return f"Most similar: {', '.join(names)}" if names else ""


def _similar(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 3)
    return f"Did you mean {' or '.join(close)}?" if close else ""


def number(value: float | None) -> float | None:
    """Return a float32 as the shortest decimal number that stands for it; None for NaN."""
    if value is None or not math.isfinite(value):
        return None
    return float(str(np.float32(value)))


def _rows(part: AnyPath, columns: Sequence[str], expected: pa.Schema) -> Iterator[Row]:
    own = [name for name in columns if name in expected.names]
    if part.suffix == ".tfrecord":
        for row in tfrecord_parts.rows(part):
            if any(row.get(name) is None for name in own):
                raise ValueError("a record lacks a value")
            # Arrow checks the types of the row.
            pa.array([{name: row.get(name) for name in own}], pa.struct(map(expected.field, own)))
            yield {name: row.get(name) for name in columns}
        return
    with opened(part) as file:
        # Arrow leaves out columns that a file lacks.
        if missing := {*columns} - {*file.schema_arrow.names}:
            raise ValueError(f"it has no column {min(missing)!r}")
        for name in own:
            if file.schema_arrow.field(name).type != expected.field(name).type:
                raise ValueError(f"its column {name!r} has another type than the job writes")
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns), use_threads=False):
            yield from batch.to_pylist()
