"""Count the rows of an output again, from its files alone."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from operator import itemgetter
from typing import Any

import pyarrow as pa

from imagebeam.outputs import lock, parts, tfrecord_parts
from imagebeam.outputs.account import uri_digest
from imagebeam.outputs.errors import DamagedPartError, OutputError
from imagebeam.outputs.identity import changed_module, job_digest, read
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.provenance import JOB, provenance, provenance_differences
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import ERRORS, PredictionSchema
from imagebeam.outputs.summary import read_summary
from imagebeam.storage import AnyPath

_NAMES_SHOWN = 20


def verify(root: AnyPath) -> list[str]:
    """Return what is wrong with an output, one sentence per finding; empty if nothing is.

    Checks that no image has two rows, that the rows are those that the summary states, that every
    part is complete and has the expected columns, and that there are no foreign files among them.
    Holds one digest per row in memory.

    Raises:
        OutputError: the folder is not an output, or another process writes to it meanwhile.
    """
    layout, identity = read(root)
    schema = PredictionSchema(tuple(identity["emit"]), 0, None, {}).arrow()
    before = fingerprint(layout)
    seen: Counter[int] = Counter()
    findings = [*_foreign_files(layout), *_count(layout, schema, identity, seen)]
    findings += _against_account(layout, seen)
    if (changed := changed_module(layout, identity)) is not None:
        findings.append(f"{changed}: was changed since a run of this job wrote it")
    if fingerprint(layout) != before:
        raise OutputError(f"{root}: was written to meanwhile. Verify it again when that has ended.")
    return findings


def fingerprint(layout: Layout) -> tuple[RunToken | None, frozenset[AnyPath]]:
    """Return values that change as soon as a run or a compaction writes to the output."""
    if layout.compaction.exists() and lock.is_held(layout):
        raise OutputError(f"{layout.root}: is being compacted. Wait until that has ended.")
    return RunToken.latest(layout), layout.replaced_parts()


def _foreign_files(layout: Layout) -> Iterator[str]:
    known = {*layout.prediction_parts(), *layout.error_parts(), *layout.replaced_parts()}
    for folder in (layout.predictions, layout.errors):
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in sorted(folder.iterdir()):
                if path not in known:
                    yield f"{path}: not a part"


def _count(
    layout: Layout, predictions: pa.Schema, identity: Mapping[str, Any], seen: Counter[int]
) -> Iterator[str]:
    kept = dict(identity.get("kept") or {})
    job = {**identity, JOB: job_digest(identity)}
    schemas = dict.fromkeys(layout.prediction_parts(), predictions)
    schemas |= dict.fromkeys(layout.error_parts(), ERRORS)
    for part, schema in sorted(schemas.items(), key=itemgetter(0)):
        try:
            if part.suffix == ".parquet":
                found = _schema(part)
                if not _fits(found, schema, kept):
                    yield f"{part}: its columns are not the expected ones"
                    continue
                stated = provenance(found)
            else:
                stated = tfrecord_parts.provenance(part)
            if differences := provenance_differences(stated, job):
                yield f"{part}: was written by another job: {', '.join(differences)}"
            repeated = []
            for uri in parts.uris(part):
                digest = uri_digest(uri)
                seen[digest] += 1
                if seen[digest] > 1:
                    repeated.append(uri)
            yield from (f"{part}: {uri!r} has another row" for uri in repeated[:_NAMES_SHOWN])
        except ConnectionError:
            # If the store does not answer, the part may still be whole.
            raise
        except DamagedPartError as error:
            yield f"{part}: damaged: {error.__cause__}"
        # A planted or damaged file may fail in every way that a library knows.
        except Exception as error:
            yield f"{part}: damaged: {error}"


def _fits(found: pa.Schema, schema: pa.Schema, kept: Mapping[str, str]) -> bool:
    """Return whether the columns are those of the job, followed by its --keep columns."""
    own, others = [*found][: len(schema)], [*found][len(schema) :]
    return own == [*schema] and {field.name: str(field.type) for field in others} == kept


def _schema(part: AnyPath) -> pa.Schema:
    with parts.opened(part) as file:
        return file.schema_arrow


def _against_account(layout: Layout, seen: Counter[int]) -> Iterator[str]:
    try:
        summary = read_summary(layout)
        expected_rows, expected_digest = summary["rows"], summary["rows_digest"]
    except FileNotFoundError:
        yield f"{layout.summary}: missing: the job is not complete. Run its command to resume it."
        return
    except (ValueError, LookupError, TypeError) as error:
        yield f"{layout.summary}: damaged: {error}"
        return
    rows = sum(seen.values())
    if rows != expected_rows:
        yield f"{layout.root}: {rows:,} rows, but the summary states {expected_rows:,}"
    digest = sum(seen.elements()) % (1 << 128)
    if f"{digest:032x}" != expected_digest:
        yield f"{layout.root}: the rows are not those of the images that the summary counts"
