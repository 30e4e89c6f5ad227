"""Read the rows of an output for a commit: their digests first, then those that a table lacks."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

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

Show = Callable[[str, int, int], object]
"""A function (what is read, parts that were read, parts to read) that shows the progress."""


@dataclass(frozen=True)
class FinishedRows:
    """The finished rows of one kind: predictions or errors.

    Attributes:
        parts: their files.
        own_schema: as the job writes them.
        digests: the digests of all rows, sorted.
    """

    parts: Sequence[AnyPath]
    own_schema: pa.Schema
    schema: pa.Schema
    digests: Digests

    def among(self, wanted: Digests) -> Iterator[pa.RecordBatch]:
        """Yield the rows that have one of some digests; raise OutputError if some are gone."""
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
class CommitSource:
    """An output whose rows were read once.

    Attributes:
        predictions: the rows of labelled images.
        errors: the rows of failed images.
        properties: what both snapshots state about the origin of their rows.
    """

    root: AnyPath
    predictions: FinishedRows
    errors: FinishedRows
    properties: Mapping[str, str]

    @staticmethod
    def open(root: AnyPath, partial: bool, show: Show) -> "CommitSource":
        """Read all rows of an output; for the arguments and errors see `commit`."""
        layout, identity = read(root)
        before = verify.fingerprint(layout)
        is_complete = layout.summary.exists()
        if not is_complete and not partial:
            raise _unfinished(layout)
        emitted = PredictionSchema(tuple(identity["emit"]), 0, None, {}).arrow()
        parts = [sorted(layout.prediction_parts()), sorted(layout.error_parts())]
        kept = _kept_columns([*chain(*parts)], identity.get("kept") or {})
        uri_total = 0

        def read_rows(parts: Sequence[AnyPath], own: pa.Schema) -> FinishedRows:
            nonlocal uri_total
            own_schema = pa.schema([*own, *kept])
            schema = rows.table_schema(own_schema)
            found = []
            for number, part in enumerate(parts):
                show(f"reading {part.parent.name}", number, len(parts))
                for batch in rows.batches(part, own_schema, schema):
                    found.append(rows.digests(batch))
                    uri_total += sum(map(uri_digest, batch.column("uri").to_pylist()))
            return FinishedRows(parts, own_schema, schema, rows.joined(found))

        predictions, errors = map(read_rows, parts, (emitted, ERRORS))
        if is_complete:
            _check_account(layout, predictions, errors, uri_total)
        if verify.fingerprint(layout) != before:
            raise OutputError(f"{root}: was written to meanwhile. Try again when that has ended.")
        return CommitSource(root, predictions, errors, _properties(layout, identity, is_complete))


def _unfinished(layout: Layout) -> OutputError:
    try:
        progress = ProgressWatcher(layout, and_earlier=True).look()
    except ValueError as error:
        raise OutputError(
            f"{layout.plan}: damaged ({error}). Run the job's command again, which replaces it."
        ) from error
    of = "" if progress.plan is None else f" of {progress.plan.rows:,}"
    return OutputError(
        f"{layout.root}: its job is not complete: {progress.done:,}{of} images have a row. Run its "
        f"command again to finish it, or use --partial to commit these {progress.done:,} rows."
    )


def _kept_columns(parts: Sequence[AnyPath], kept: Mapping[str, str]) -> list[pa.Field]:
    """Return the --keep columns, which all parts have, as the first Parquet file has them."""
    if not kept:
        return []
    for part in parts:
        if part.suffix == ".parquet":
            with opened(part) as file:
                return [file.schema_arrow.field(name) for name in kept]
    try:
        return [pa.field(name, _type(name, kind)) for name, kind in kept.items()]
    except ValueError as error:
        raise OutputError(
            f"--keep column: {error}. Label with --format parquet to commit such columns."
        ) from error


def _type(name: str, kind: str) -> pa.DataType:
    known = RUN_COLUMNS.get(name)
    return known if str(known) == kind else pa.type_for_alias(kind)


def _check_account(
    layout: Layout, predictions: FinishedRows, errors: FinishedRows, uri_total: int
) -> None:
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
