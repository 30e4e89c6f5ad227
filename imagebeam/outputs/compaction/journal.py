"""The journal of a compaction: which parts a joined part replaces, until they are removed."""

from collections.abc import Sequence

from imagebeam.outputs.documents import write_document
from imagebeam.outputs.files import remove_all
from imagebeam.outputs.layout import Layout
from imagebeam.storage import AnyPath


def record(layout: Layout, target: AnyPath | None, sources: Sequence[AnyPath]) -> None:
    """Write to the journal which parts a part is going to replace; None if none yet."""
    values = {
        "target": None if target is None else _name(target),
        "sources": [_name(source) for source in sources],
    }
    write_document(layout.compaction, values)


def recover(layout: Layout) -> None:
    """Finish or undo a compaction that was killed, if one was."""
    remove_replaced(layout)
    clear(layout)


def clear(layout: Layout) -> None:
    """Remove the journal: nothing is left to remove."""
    layout.compaction.unlink(missing_ok=True)


def remove_replaced(layout: Layout) -> None:
    """Delete the parts that the joined part has replaced, if that exists."""
    remove_all(layout.replaced_parts())


def _name(part: AnyPath) -> str:
    return f"{part.parent.name}/{part.name}"
