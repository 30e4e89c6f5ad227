"""Consoles and tables that print names of files and labels safely.

Names are untrusted: an escape sequence in one could recolour a terminal, move its cursor or
hide text. Everything printed through these classes has its control characters made visible.
"""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagebeam.escape_control_chars import escape_control_chars


class SafeConsole(Console):
    """Prints text unchanged but for control characters: no markup, no emoji, no highlighting."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **settings)

    def print(self, *objects: Any, **settings: Any) -> None:
        """Print texts and tables; a newline in a text starts a line."""
        super().print(*map(_safe_lines, objects), **settings)


class SafeTable(Table):
    """A table without a frame whose cells hold no control characters, not even a newline."""

    def __init__(self, *headers: str, **settings: Any) -> None:
        super().__init__(*headers, **{"box": None, "pad_edge": False, **settings})

    def add_row(self, *cells: Any, **settings: Any) -> None:
        """Add a row of texts."""
        super().add_row(*map(_safe, cells), **settings)


def _safe(cell: Any) -> Any:
    if isinstance(cell, Text):
        return Text(escape_control_chars(cell.plain), cell.style)
    # Text, not str: rich would interpret the brackets of a name as markup.
    return Text(escape_control_chars(cell)) if isinstance(cell, str) else cell


def _safe_lines(printed: Any) -> Any:
    if isinstance(printed, str):
        return "\n".join(map(escape_control_chars, printed.split("\n")))
    return printed
