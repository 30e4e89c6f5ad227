"""Read label maps of TensorFlow's Object Detection API: `item { id: 1 name: "cat" }`, as `.pbtxt`.

The id of an item tells its place, wherever it is in the file. Ids count from 1, because 0 is kept
for the background, or from 0 if that has an item of its own.
"""

import re
from collections.abc import Iterator

_STRING = r"(?:\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
_START = re.compile(r"(?:\s+|#[^\n]*)*item\s*:?\s*[{<]")
_PART = re.compile(
    r"(?P<gap>[\s;,]+|#[^\n]*)"
    r"|(?P<open>\w+)\s*:?\s*[{<]"
    r"|(?P<close>[}>])"
    rf"|(?P<field>\w+)\s*:\s*(?P<value>{_STRING}(?:\s*{_STRING})*|\[[^\]]*\]|[^\s\"'{{}}<>;,#]+)"
)
_ITEM = "item"


def is_label_map(text: str) -> bool:
    """Return whether a text begins with an item."""
    return _START.match(text) is not None


def read_label_map(text: str) -> dict[int, str]:
    """Return the names of classes by their ids, the lowest first; a `display_name` comes first.

    Raises:
        ValueError: the reason, with the line.
    """
    found: dict[int, str] = {}
    lines: dict[int, int] = {}
    for line, item in _items(text):
        number, name = item.get("id"), item.get("display_name") or item.get("name")
        if number is None or not re.fullmatch(r"\d{1,9}", number):
            raise ValueError(f"line {line}: its item has no id that is a number")
        if not name:
            raise ValueError(f"line {line}: its item has no name")
        at = int(number)
        if at in found:
            raise ValueError(f"line {line}: the id {at} is that of the item in line {lines[at]}")
        found[at], lines[at] = name, line
    return dict(sorted(found.items()))


def _items(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line and the fields of each item, without the fields of messages in it."""
    item: dict[str, str] = {}
    at = depth = start = 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or (not depth and not part["gap"] and part["open"] != _ITEM):
            raise ValueError(
                f"line {_line(text, at)}: {text[at:].split()[0][:40]!r} has no place in a label map"
            )
        if part["open"]:
            if not depth:
                start, item = at, {}
            depth += 1
        elif part["close"]:
            depth -= 1
            if not depth:
                yield _line(text, start), item
        elif part["field"] and depth == 1:
            item[part["field"]] = _unquoted(part["value"], _line(text, at))
        at = part.end()
    if depth:
        raise ValueError(f"line {_line(text, start)}: its item has no end")


def _unquoted(value: str, line: int) -> str:
    from google.protobuf import text_encoding

    strings = re.findall(_STRING, value)
    content = b"".join(text_encoding.CUnescape(each[1:-1]) for each in strings)
    try:
        return content.decode("utf-8") if strings else value
    except UnicodeDecodeError as error:
        raise ValueError(f"line {line}: {value[:40]} is not UTF-8") from error


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
