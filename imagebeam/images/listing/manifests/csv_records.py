"""Read CSV and TSV record by record, so that a stray quote costs its own lines and no others.

Python's `csv` takes all that follows a quote that is never closed for one cell, and lines inside
a cell that is too long for records. Here, a record that cannot be read is one error that names its
lines. If each line after the first looks like a record, these lines are read one by one.
"""

from collections import deque
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


class _LineReader:
    """Lines, to which some can be given back."""

    def __init__(self, text_lines: Iterable[Line]) -> None:
        self._lines = iter(text_lines)
        self._returned: deque[Line] = deque()

    def next(self) -> Line | None:
        return self._returned.popleft() if self._returned else next(self._lines, None)

    def give_back(self, some: Iterable[Line]) -> None:
        self._returned.extendleft(reversed(list(some)))


def records(
    text_lines: Iterable[Line], delimiter: str, quotes: bool = True, width: int | None = None
) -> Iterator[Record]:
    """Yield the records of a table.

    Args:
        text_lines: the lines of the table.
        delimiter: between cells.
        quotes: whether a quoted cell may hold delimiters and line ends, as in CSV.
        width: the number of cells by which a line looks like a record; None if it is unknown.
    """
    source = _LineReader(text_lines)
    while (line := source.next()) is not None:
        number, text, _ = line
        if text is None:
            yield Record(number, number, (), _TOO_LONG)
        elif '"' not in text:
            yield Record(number, number, text.split(delimiter) if text.strip() else (), "", text)
        elif not quotes:
            cells = [_unquoted(cell) for cell in text.split(delimiter)]
            yield Record(number, number, cells, "", text)
        else:
            yield _quoted(line, source, delimiter, width)


_TOO_LONG = f"a line of more than {MOST_CHARACTERS:,} characters"


def _quoted(start_line: Line, source: _LineReader, delimiter: str, width: int | None) -> Record:
    """Read a record that has quotes, with as many further lines as its cells span."""
    cells: list[str] = []
    first = start_line.number
    line, line_end = start_line.text or "", start_line.end
    text, at, size = line, 0, 0
    spanned: list[Line] = []
    last = first

    def unreadable(reason: str) -> Record:
        if last > first and size <= MOST_CHARACTERS and _are_records(spanned, delimiter, width):
            source.give_back(spanned)
            again = (
                f"lines {first + 1:,} to {last:,} are" if last > first + 1 else "the next line is"
            )
            return Record(first, first, (), f"{reason}; {again} read alone", text)
        return Record(first, last, (), _span(reason, first, last), text)

    while True:
        if not line.startswith('"', at):
            end = line.find(delimiter, at)
            cells.append(line[at:] if end < 0 else line[at:end])
            if end < 0:
                return Record(first, last, cells, "", text)
            at = end + len(delimiter)
            continue
        parts: list[str] = []
        start = at + 1
        while (close := _closing_quote(line, start)) < 0:
            size += len(line) + _PER_LINE
            if size <= MOST_CHARACTERS:
                parts += [line[start:], line_end]
            following = source.next()
            if following is None:
                return unreadable(_NEVER_CLOSED)
            if size <= MOST_CHARACTERS:
                spanned.append(following)
            last = following.number
            line, line_end, start = following.text or "", following.end, 0
            size += MOST_CHARACTERS if following.text is None else 0
        parts.append(line[start:close])
        if size > MOST_CHARACTERS:
            return Record(first, last, (), _span(_LONG_CELL, first, last), text)
        if line[close + 1 : close + 2] not in ("", delimiter):
            return unreadable(_AFTER_QUOTE)
        cells.append("".join(parts).replace('""', '"'))
        if close + 1 == len(line):
            return Record(first, last, cells, "", text)
        at = close + 2


def _are_records(some: Iterable[Line], delimiter: str, width: int | None) -> bool:
    """Return whether each line, taken alone, is blank or a record of the expected width.

    A record with a stray quote of its own counts: it becomes an error too.
    """
    return width is not None and all(
        len((line.text or "").split(delimiter) if record.error else record.cells) in (0, width)
        for line in some
        for record in records([line], delimiter)
    )


_PER_LINE = 16
"""Characters that a line within a cell counts more than it has: each takes memory of its own."""

_NEVER_CLOSED = "a quote is never closed"
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
