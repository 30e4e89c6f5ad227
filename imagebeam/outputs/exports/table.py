"""Export the labelled rows of an output to one CSV or JSON Lines file."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.files import whole_file
from imagebeam.outputs.reading import Output, Row, Selection, number
from imagebeam.storage import AnyPath
from imagebeam.storage.atomic_files import remove_leftovers

_VECTORS = ("logits", "features")
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""A spreadsheet runs a cell that starts with one of these; full-width forms count as well."""

Write = Callable[[Row], None]


def export_table(
    output: Output,
    target: AnyPath,
    selection: Selection,
    columns: Sequence[str] = (),
    overwrite: bool = False,
) -> int:
    """Write one row per image to a file, which appears when it is complete.

    The format follows the name: `.csv` or `.jsonl`. Text in a CSV file that a spreadsheet would run
    as a formula gets a leading apostrophe.

    Args:
        output: the output to read.
        target: the file.
        selection: selects the rows; with `top` over 1, CSV rows get columns `label_2`, `score_2`
            and so on.
        columns: the columns of predictions, in the order of the file; without any, all but vectors.
        overwrite: replace an existing file.

    Returns:
        the number of rows.

    Raises:
        OutputError: the file exists, or a format, column or label is unknown.
    """
    kind = _format(target)
    names = tuple(columns) or tuple(
        name for name in output.columns if name not in (*_VECTORS, "top_k")
    )
    output.require(names, "--columns")
    uses_labels = bool(selection.labels) or selection.min_score > 0 or selection.top > 1
    if uses_labels:
        output.require(selection.columns, "--label, --min-score and --top")
    _check_target(output, target, overwrite)
    if isinstance(target, Path):
        remove_leftovers(target)
    rows = 0
    needed = tuple(dict.fromkeys((*names, *(selection.columns if uses_labels else ()))))
    with whole_file(target) as file, _WRITERS[kind](file, names, selection.top) as write:
        for row in output.rows(needed):
            classes = selection.classes(row) if uses_labels else []
            if uses_labels and not classes:
                continue
            write({name: row[name] for name in names} | {"": classes})
            rows += 1
        selection.check(output)
    return rows


def _format(target: AnyPath) -> str:
    suffix = target.suffix.lower()
    if suffix not in _WRITERS:
        raise OutputError(f"{target}: unknown format. Use a name that ends in .csv or .jsonl.")
    return suffix


def _check_target(output: Output, target: AnyPath, overwrite: bool) -> None:
    layout = output.layout
    for folder in (layout.predictions, layout.errors, layout.job):
        if str(target).startswith(f"{folder}/"):
            raise OutputError(
                f"{target}: is inside {folder}, where only jobs may write. Choose another place."
            )
    if isinstance(target, Path) and not target.parent.is_dir():
        raise OutputError(
            f"{target}: there is no folder {target.parent}. Create it, or choose another name."
        )
    if target.exists() and not overwrite:
        raise OutputError(
            f"{target}: exists already. Choose another name, or use --overwrite to replace it."
        )


@contextmanager
def _csv(file: IO[bytes], names: Sequence[str], top: int) -> Iterator[Write]:
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    ranks = range(2, top + 1)
    writer.writerow([*names, *(f"{kind}_{rank}" for rank in ranks for kind in ("label", "score"))])

    def write(row: Row) -> None:
        classes = [*row.pop("")[1:top], *[("", None)] * top][: top - 1]
        values = [spreadsheet_cell(value) for value in row.values()]
        values += [spreadsheet_cell(value) for label, score in classes for value in (label, score)]
        writer.writerow(values)

    yield write
    text.detach()


def spreadsheet_cell(value: Any) -> Any:
    """Return a value for a CSV file; text that a spreadsheet would run gets an apostrophe."""
    match value:
        case str():
            return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
        case float():
            return number(value)
        case list() | dict():
            return json.dumps(_plain(value), ensure_ascii=False)
        case _:
            return value


@contextmanager
def _json_lines(file: IO[bytes], names: Sequence[str], top: int) -> Iterator[Write]:
    def write(row: Row) -> None:
        classes = row.pop("")
        if top > 1:
            row["labels"] = [{"label": label, "score": score} for label, score in classes]
        text = json.dumps(_plain(row), ensure_ascii=False, default=str)
        file.write(text.encode() + b"\n")

    yield write


def _plain(value: Any) -> Any:
    """Return a value with its floats in the shortest form that JSON can hold."""
    match value:
        case float():
            return number(value)
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case _:
            return value


_WRITERS = {".csv": _csv, ".jsonl": _json_lines}
