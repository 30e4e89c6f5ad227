"""Read manifests in JSON: an object or a string per line, or an array of them."""

import io
import json
import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import IO, Any

from imagebeam.images.errors import BadManifestEntry
from imagebeam.images.listing.manifests.csv_records import Line, lines
from imagebeam.images.listing.manifests.entries import (
    Columns,
    ManifestEntry,
    ManifestError,
    NoColumnError,
    UnfitError,
    cleaned,
    fitting,
    name_or_error,
    no_column,
)

_LINES_TO_TYPE = 1000
"""Lines of JSON that are read to learn which columns there are."""

_FORM = "Write one name or object per line, or one array of them."

_MOST_JSON = 200_000_000
"""Characters of a JSON array, which is read whole."""


def read_json(text: IO[str], column: str, keep: Columns) -> Iterator[ManifestEntry]:
    """Yield the entries of a manifest in JSON.

    Raises:
        ManifestError: it is an array that is too long or not valid, or one object.
    """
    nothing = (None,) * len(keep)
    for position, value in _json_values(text):
        if value is None or isinstance(value, BadManifestEntry):
            yield ManifestEntry(position, value, nothing)
            continue
        row = value if isinstance(value, dict) else {column: value}
        try:
            yield ManifestEntry(
                position, name_or_error(row.get(column), column), fitting(row, keep)
            )
        except UnfitError as error:
            yield ManifestEntry(position, BadManifestEntry(str(error)), nothing)


def _of_array(name: str, file: str) -> str:
    return (
        f"For an array inside an object, as in COCO's files: `jq -c '.{name}[]' "
        f"{shlex.quote(file)} > list.jsonl`."
    )


def _json_values(text: IO[str], file: str = "FILE") -> Iterator[tuple[str, Any]]:
    """Yield position and value of each line or item; None for a blank line.

    A JSON `null` comes as a `BadManifestEntry`, as text that is not JSON does.
    """
    source = lines(text)
    for line in source:
        start = line.text.strip() if line.text is not None else ""
        if start == "{":
            raise ManifestError(
                f"a JSON object over several lines. {_FORM} {_of_array('images', file)}"
            )
        if not start.startswith("["):
            yield _json_line(line)
            if line.text is None or start:
                break
            continue
        rest = text.read(_MOST_JSON + 1)
        whole = f"{line.text}{line.end}{rest}"
        items = _json(whole) if len(rest) <= _MOST_JSON else None
        if isinstance(items, list):
            yield from ((f"item={number}", _item(each)) for number, each in enumerate(items, 1))
        elif len(rest) > _MOST_JSON:
            raise ManifestError(
                f"a JSON array of more than {_MOST_JSON:,} characters. Write one object per line "
                "(.jsonl)."
            )
        elif start == "[":
            raise ManifestError(f"{items}. {_FORM}")
        else:
            numbered = lines(io.StringIO(whole, newline=""))
            yield from (
                _json_line(each._replace(number=each.number + line.number - 1)) for each in numbered
            )
        return
    yield from map(_json_line, source)


def _json_line(line: Line) -> tuple[str, Any]:
    position = f"line={line.number}"
    if line.text is None:
        return position, BadManifestEntry("the line is too long")
    return position, _json(line.text) if line.text.strip() else None


def _json(text: str) -> Any:
    try:
        return _item(json.loads(text))
    except (ValueError, RecursionError) as error:
        return BadManifestEntry(f"not valid JSON: {error}")


def _item(value: Any) -> Any:
    return BadManifestEntry("`null`, not the name of an image") if value is None else value


def json_columns(text: IO[str], column: str, file: str) -> dict[str, Any]:
    """Return the columns of the first lines or items, with the Arrow types of their values.

    Args:
        text: of the manifest.
        column: that names the images.
        file: name of the manifest, for messages.

    Raises:
        NoColumnError: none of them names images.
    """
    first = islice(_json_values(text, file), _LINES_TO_TYPE)
    values = [value for _, value in first if value is not None]
    if values and all(isinstance(value, BadManifestEntry) for value in values):
        raise ManifestError(f"{values[0]}. {_FORM}")
    rows = [value for value in values if isinstance(value, dict)]
    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        # Of several types that do not fit together, the first counts. Without any, no value fits.
        fitting_values = list(_fitting(name, [row.get(name) for row in rows]))
        found[name] = _type_of(fitting_values) or _type_of(fitting_values[:1])
    if rows and column not in found and not any(isinstance(value, str) for value in values):
        arrays = [name for name, value in rows[0].items() if isinstance(value, list)]
        form = f" {_of_array(arrays[0], file)}" if arrays and len(values) == 1 else ""
        raise NoColumnError(no_column(list(found), column) + form)
    return found


def _fitting(column: str, values: Iterable[Any]) -> Iterator[Any]:
    """Yield the values of a column that a table can hold, without those that are missing."""
    for value in values:
        with suppress(UnfitError):
            fit = cleaned(value, column)
            if fit is not None and _type_of([fit]) is not None:
                yield fit


def _type_of(values: list[Any]) -> Any:
    """Return the Arrow type of some values; None if they have none in common."""
    import pyarrow as pa

    try:
        return pa.array(values).type
    except (pa.ArrowException, OverflowError, UnicodeError, RecursionError):
        return None
