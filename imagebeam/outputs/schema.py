"""The columns of predictions and errors, made from arrays without a dict per row."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from imagebeam.outputs.provenance import METADATA_KEY
from imagebeam.outputs.ranking import best_classes

EMITTED = ("labels", "logits", "features")
"""Columns that predictions can hold in addition to `uri`, `width` and `height`."""

_VECTOR = pa.list_(pa.field("element", pa.float32(), nullable=False))
_TOP_K = pa.list_(
    pa.field(
        "element",
        pa.struct(
            [
                pa.field("class", pa.int32(), nullable=False),
                pa.field("label", pa.string(), nullable=False),
                pa.field("score", pa.float32(), nullable=False),
            ]
        ),
        nullable=False,
    )
)

ERRORS = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("retryable", pa.bool_(), nullable=False),
    ]
)

RESERVED = frozenset(
    ("uri", "width", "height", "label", "score", "top_k", "logits", "features", *ERRORS.names)
)
"""Names that columns from --keep cannot have."""

ErrorRow = tuple[str, str, str, str, bool, tuple[Any, ...]]
"""The values of `ERRORS`, followed by those of the --keep columns; () where there are none."""

VERSION = "version"
"""The column that --check-changed adds: what was known of an image before it was read."""

FINAL_URL = "final_url"
"""The column that --final-url adds: the address that redirects led to; null where none did."""

RUN_COLUMNS: Mapping[str, pa.DataType] = {
    "run_id": pa.string(),
    "labelled_at": pa.timestamp("us", "UTC"),
    "module": pa.dictionary(pa.int32(), pa.string()),
}
"""The columns that --run-columns can add: which run wrote a row, when, and with which module."""


@dataclass(frozen=True)
class PredictionSchema:
    """The columns that a job writes for a labelled image.

    Attributes:
        emit: which of `EMITTED`, in that order.
        top_k: classes in the column `top_k`.
        class_names: one per class; None where the index is used as the name.
        provenance: written into every file: module, engine, preprocessing, versions.
        kept: columns that are copied from manifests (--keep), by name, with their Arrow types. They
            are the last columns of predictions and of errors.
        min_score: classes with a lower score are left out of `top_k`; None keeps them.
        run_columns: which of `RUN_COLUMNS`; they are the last of `kept`.
    """

    emit: tuple[str, ...]
    top_k: int
    class_names: tuple[str, ...] | None
    provenance: Mapping[str, Any]
    kept: Mapping[str, pa.DataType] = field(default_factory=dict)
    min_score: float | None = None
    run_columns: tuple[str, ...] = ()

    def with_run(
        self, rows: Sequence[tuple[Any, ...]], run_id: str, now: datetime
    ) -> list[tuple[Any, ...]]:
        """Return the values of `kept` columns with those of `run_columns` behind them."""
        module = f"{self.provenance.get('module')}@{self.provenance.get('module_digest')}"
        of_run = {"run_id": run_id, "labelled_at": now, "module": module}
        values = tuple(of_run[name] for name in self.run_columns)
        nothing = (None,) * (len(self.kept) - len(values))
        return [(*(row or nothing), *values) for row in rows] if values else list(rows)

    def arrow(self) -> pa.Schema:
        """Return the Arrow schema, the same for every part."""
        columns = [
            pa.field("uri", pa.string(), nullable=False),
            pa.field("width", pa.int32(), nullable=False),
            pa.field("height", pa.int32(), nullable=False),
        ]
        if "labels" in self.emit:
            columns += [
                pa.field("label", pa.string(), nullable=False),
                pa.field("score", pa.float32(), nullable=False),
                pa.field("top_k", _TOP_K, nullable=False),
            ]
        columns += [
            pa.field(name, _VECTOR, nullable=False)
            for name in ("logits", "features")
            if name in self.emit
        ]
        columns += self._kept_fields()
        return pa.schema(columns, metadata=self._metadata())

    def _metadata(self) -> dict[str, str]:
        return {METADATA_KEY: json.dumps(dict(self.provenance))}

    def table(
        self,
        uris: Sequence[str],
        widths: npt.NDArray[np.int32],
        heights: npt.NDArray[np.int32],
        scores: npt.NDArray[np.float32] | None,
        logits: npt.NDArray[np.float32] | None,
        features: npt.NDArray[np.float32] | None,
        kept: Sequence[tuple[Any, ...]] = (),
    ) -> pa.Table:
        """Make one row per image; arrays are (N, …) and may be None only where `emit` omits them.

        The `kept` values of an image are () where it does not come from a manifest.
        """
        schema = self.arrow()
        if not uris:
            return schema.empty_table()
        columns: dict[str, Any] = {
            "uri": pa.array(uris, pa.string()),
            "width": pa.array(widths),
            "height": pa.array(heights),
            **(self._labels(scores) if "labels" in self.emit else {}),
        }
        for name, vectors in (("logits", logits), ("features", features)):
            if name in self.emit:
                columns[name] = _vectors(vectors)
        columns |= self._kept(kept or [()] * len(uris))
        return pa.table([columns[name] for name in schema.names], schema=schema)

    def errors(self, rows: Sequence[ErrorRow]) -> pa.Table:
        """Make one row per failed image: uri, stage, code, message, retryable, --keep columns."""
        schema = pa.schema([*ERRORS, *self._kept_fields()], metadata=self._metadata())
        if not rows:
            return schema.empty_table()
        *columns, kept = zip(*rows, strict=True)
        arrays = [
            pa.array(column, field.type) for column, field in zip(columns, ERRORS, strict=True)
        ]
        return pa.table([*arrays, *self._kept(kept).values()], schema=schema)

    def _kept_fields(self) -> list[pa.Field]:
        return [pa.field(name, kind) for name, kind in self.kept.items()]

    def _kept(self, rows: Sequence[tuple[Any, ...]]) -> dict[str, pa.Array]:
        return {
            name: pa.array([row[at] if row else None for row in rows], kind)
            for at, (name, kind) in enumerate(self.kept.items())
        }

    def _labels(self, scores: npt.NDArray[np.float32] | None) -> dict[str, Any]:
        assert scores is not None
        count = min(self.top_k, scores.shape[1])
        classes = best_classes(scores, count)
        best = np.take_along_axis(scores, classes, axis=1)
        listed = np.ones(best.shape, np.bool_) if self.min_score is None else best >= self.min_score
        entries = pa.StructArray.from_arrays(
            [pa.array(classes[listed]), self._names(classes[listed]), pa.array(best[listed])],
            fields=list(_TOP_K.value_type),
        )
        offsets = np.concatenate([[0], listed.sum(axis=1).cumsum()]).astype(np.int32)
        return {
            "label": self._names(classes[:, 0]),
            "score": pa.array(best[:, 0]),
            "top_k": pa.ListArray.from_arrays(pa.array(offsets), entries, type=_TOP_K),
        }

    def _names(self, classes: npt.NDArray[np.int32]) -> pa.Array:
        # Arrow's own `cast` and `take` would import `pyarrow.compute`, which takes 0.05 s.
        if self.class_names is None:
            return pa.array(map(str, classes.tolist()), pa.string())
        return pa.array(np.array(self.class_names, np.object_)[classes], pa.string())


def heads_of(emit: Iterable[str]) -> tuple[str, ...]:
    """Return the output of the module from which each of the columns in `emit` is made."""
    return tuple("scores" if name == "labels" else name for name in emit)


def _vectors(values: npt.NDArray[np.float32] | None) -> pa.Array:
    assert values is not None
    flat = pa.array(np.ascontiguousarray(values, np.float32).ravel())
    rows, length = values.shape
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * length)
    return pa.ListArray.from_arrays(offsets, flat, type=_VECTOR)
