"""Read CSV and TSV record by record, so that a stray quote costs its own lines and no others.

Python's `csv` takes all that follows a quote that is never closed for one cell, and lines inside
a cell that is too long for records. Here, text inside quotes is never a record: a record that
cannot be read is one error that names its lines.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import IO, NamedTuple

MOST_CHARACTERS = 16_000_000
"""Characters in one line or record; more is an error, and is read in pieces."""


class Line(NamedTuple):
    """One line of a text.

    Attributes:
        number: from 1.
        text: without its end; None if it has more than `MOST_CHARACTERS`.
        end: its end, which is part of a quoted cell that goes on.
    """

    number: int
    text: str | None
    end: str = "\n"


class Record(NamedTuple):
    """One record of a table in text.

    Attributes:
        first: number of its first line.
        last: number of its last line.
        cells: its values; empty for a blank line.
        error: why it cannot be read; "" if it can.
        text: its first line.
    """

    first: int
    last: int
    cells: Sequence[str]
    error: str = ""
    text: str = ""


def lines(file: IO[str], most: int = MOST_CHARACTERS) -> Iterator[Line]:
    """Yield the lines of a text in bounded memory."""
    number = 0
    while piece := file.readline(most + 1):
        number += 1
        text: str | None = piece.rstrip("\r\n")
        while len(piece) > most and piece[-1] not in "\r\n":
            piece = file.readline(most + 1)
            text = None
            if not piece:
                break
        yield Line(number, text, piece[len(piece.rstrip("\r\n")) :])


def records(text_lines: Iterable[Line], delimiter: str, quotes: bool = True) -> Iterator[Record]:
    """Yield the records of a table.

    Args:
        text_lines: of the table.
        delimiter: between cells.
        quotes: whether a quoted cell may hold delimiters and line ends, as in CSV.
    """
    source = iter(text_lines)
    for line in source:
        number, text, _ = line
        if text is None:
            yield Record(number, number, (), _TOO_LONG)
        elif '"' not in text:
            yield Record(number, number, text.split(delimiter) if text.strip() else (), "", text)
        elif not quotes:
            cells = [_unquoted(cell) for cell in text.split(delimiter)]
            yield Record(number, number, cells, "", text)
        else:
            yield _quoted(line, source, delimiter)


_TOO_LONG = f"a line of more than {MOST_CHARACTERS:,} characters"


def _quoted(start_line: Line, source: Iterator[Line], delimiter: str) -> Record:
    """Read a record that has quotes, with as many further lines as its cells span."""
    cells: list[str] = []
    first = last = start_line.number
    line, line_end = start_line.text or "", start_line.end
    text, at = line, 0
    while True:
        if not line.startswith('"', at):
            end = line.find(delimiter, at)
            cells.append(line[at:] if end < 0 else line[at:end])
            if end < 0:
                return Record(first, last, cells, "", text)
            at = end + len(delimiter)
            continue
        parts: list[str] = []
        start, size = at + 1, 0
        while (close := _closing_quote(line, start)) < 0:
            size += len(line)
            if size <= MOST_CHARACTERS:
                parts += [line[start:], line_end]
            following = next(source, None)
            if following is None:
                return Record(first, last, (), _span("a quote is never closed", first, last), text)
            last = following.number
            line, line_end, start = following.text or "", following.end, 0
            size += MOST_CHARACTERS if following.text is None else 0
        parts.append(line[start:close])
        if size > MOST_CHARACTERS:
            return Record(first, last, (), _span(_LONG_CELL, first, last), text)
        if line[close + 1 : close + 2] not in ("", delimiter):
            return Record(first, last, (), _span(_AFTER_QUOTE, first, last), text)
        cells.append("".join(parts).replace('""', '"'))
        if close + 1 == len(line):
            return Record(first, last, cells, "", text)
        at = close + 2


_AFTER_QUOTE = "a closing quote is followed by text"
_LONG_CELL = f"a cell of more than {MOST_CHARACTERS:,} characters"


def _closing_quote(line: str, start: int) -> int:
    """Return the position of the quote that ends a cell; -1 if it goes on after this line."""
    at = line.find('"', start)
    while at >= 0 and line[at + 1 : at + 2] == '"':
        at = line.find('"', at + 2)
    return at


def _span(reason: str, first: int, last: int) -> str:
    return f"lines {first:,} to {last:,}: {reason}" if last > first else reason


def _unquoted(cell: str) -> str:
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        return cell[1:-1].replace('""', '"')
    return cell
