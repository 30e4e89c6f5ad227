"""Convert what stands behind the options of a job into values; refuse what is not allowed."""

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.images import uris
from imagebeam.images.errors import CODES, InputError
from imagebeam.images.listing.braces import expand_braces
from imagebeam.outputs.schema import RESERVED
from imagebeam.storage import AnyPath, StoreError, location
from imagebeam.storage.types import RequestHeader


def names_of(option: str, allowed: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """Return a function that splits names at commas and returns them in the order of `allowed`."""

    def convert(text: str) -> tuple[str, ...]:
        requested = [part.strip() for part in text.split(",")]
        for name in requested:
            if name not in allowed:
                raise UsageError(
                    f"--{option} {text}: {name!r} must be one of {', '.join(allowed)}. "
                    "Separate several with commas."
                )
        return tuple(name for name in allowed if name in requested)

    return convert


def least_score(score: float) -> float:
    """Return a score to compare others with."""
    if not 0 <= score <= 1:
        raise UsageError(f"--min-score {score:g}: must be from 0 to 1.")
    return score


def page(option: str, text: str) -> AnyPath:
    """Return the path of a page to write."""
    target = location(text)
    if isinstance(target, Path):
        if target.is_dir():
            name = f"{text.rstrip('/')}/page.html"
            raise UsageError(f"{option} {text}: is a folder. Give the name of a file, as {name}.")
        if not target.absolute().parent.is_dir():
            raise UsageError(f"{option} {text}: there is no such folder. Create it.")
    return target


def user_agent(text: str) -> str:
    """Return the value of a User-Agent header."""
    if any(not " " <= letter <= "~" for letter in text):
        raise UsageError("--user-agent: has letters outside ASCII. Leave them out.")
    return text


def headers(texts: Sequence[str]) -> tuple[RequestHeader, ...]:
    """Return the headers, of which each text has the form `[HOST] NAME: VALUE`."""
    # Imported here, because the client library need not be there for --help.
    from imagebeam.storage.http.own_headers import header_value, parse_header

    parsed = []
    for text in texts:
        try:
            parsed.append(parse_header(text))
            header_value(parsed[-1])
        except (ValueError, StoreError) as error:
            raise UsageError(
                f"--header: {error}. Give it as '[HOST] NAME: VALUE', with a secret VALUE in a "
                "variable or file."
            ) from error
    return tuple(parsed)


def kept_columns(columns: Sequence[str] | None) -> dict[str, str]:
    """Return the columns to keep, each with its name in the output."""
    kept: dict[str, str] = {}
    for text in columns or ():
        column, _, name = text.partition("=")
        name = name or column
        if not column or name in RESERVED:
            raise UsageError(
                f"--keep {text}: rows already have a column {name!r}. Give it another name, such "
                f"as --keep {column or 'COLUMN'}=known_{name}."
            )
        if column in kept or name in kept.values():
            raise UsageError(f"--keep {text}: {name!r} is kept already. Name each column once.")
        kept[column] = name
    return kept


def root_uri(folder: str) -> str:
    """Return the URI of the folder from which relative names start."""
    if uris.scheme(folder) != "file":
        return folder.rstrip("/")
    if not os.path.isdir(uris.to_path(folder)):
        raise UsageError(f"--root {folder}: no such folder. Check the spelling.")
    return uris.from_path(uris.to_path(folder))


def globs(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the globs that some with braces stand for."""
    try:
        return tuple(glob for text in texts for glob in expand_braces(text))
    except InputError as error:
        raise UsageError(f"--exclude {error}") from error


def template(text: str) -> str:
    """Return the template of file names, which has a place for the entry."""
    if "{}" not in text:
        raise UsageError(f"--name {text}: must contain {{}}, the place of the manifest's entry.")
    return text


def error_codes(codes: Sequence[str]) -> tuple[str, ...]:
    """Return the error codes; none stand for all that are retryable."""
    for code in codes:
        if code not in CODES:
            raise UsageError(
                f"--retry-failed {code}: not an error code. Use any of {', '.join(CODES)}; put "
                "INPUT before --retry-failed."
            )
    return tuple(codes)
