"""Read and write the JSON documents of an output."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.files import write_whole
from imagebeam.storage import AnyPath, Location
from imagebeam.storage.errors import describe_unexpected
from imagebeam.storage.regular_files import regular_file


@contextmanager
def own_file(path: AnyPath, fix: str) -> Iterator[None]:
    """Turn every error in the content of an output's own file into one that users can act on.

    Raises:
        FileNotFoundError: the file is missing.
        ConnectionError, PermissionError: its store does not answer, or refuses.
        OutputError: the file is damaged; whatever is in it.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, ConnectionError, PermissionError, OutputError):
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, (OSError, ValueError)) else repr(error)
        raise OutputError(f"{path}: damaged ({reason}). {fix}") from error


def read_document(path: AnyPath) -> dict[str, Any]:
    """Read a JSON object of the output.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is not a file with a JSON object, or reading it failed in a way that no code
            expects.
    """
    try:
        return _read_document(path)
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise ValueError(describe_unexpected(error)) from error


def _read_document(path: AnyPath) -> dict[str, Any]:
    if isinstance(path, Location):
        data = path.read_bytes()
    else:
        with regular_file(path) as file:
            data = file.read(_MOST_DOCUMENT_BYTES + 1)
    if len(data) > _MOST_DOCUMENT_BYTES:
        raise ValueError(f"larger than {_MOST_DOCUMENT_BYTES:,} bytes")
    try:
        values = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    return values


_MOST_DOCUMENT_BYTES = 64_000_000


def write_document(path: AnyPath, values: Mapping[str, Any]) -> None:
    """Write a JSON object, whole or not at all."""
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    # A path that is not UTF-8 holds surrogates. This writes them as escapes of JSON.
    write_whole(path, text.encode("utf-8", "backslashreplace"))
