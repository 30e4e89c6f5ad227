"""What a compaction notes before it joins parts, so that it can be killed in any moment.

The note names the joined part before that part appears, and the parts that it replaces. From the
moment that the joined part stands, those count no more, for any of our readers; until then, they
alone count. So no row is ever lost or seen twice, and whoever writes to the output next finishes
what is left or undoes it.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from imagebeam.outputs.layout import Layout, remove_all, sync, write_whole
from imagebeam.storage import AnyPath, Location


def begin(layout: Layout) -> None:
    """Say that a compaction is at work."""
    _write(layout, None, ())


def note(layout: Layout, target: AnyPath, sources: Sequence[AnyPath]) -> None:
    """Say what a part that does not stand yet is going to replace."""
    _write(layout, target, sources)


def remove_replaced(layout: Layout) -> None:
    """Delete the parts that the joined one has replaced, if it stands."""
    replaced = layout.replaced_parts()
    remove_all(part for part in replaced if isinstance(part, Location))
    files = [part for part in replaced if isinstance(part, Path)]
    for file in files:
        file.unlink(missing_ok=True)
    # Else a power cut could bring one back after the note that tells of it has gone.
    for folder in {file.parent for file in files}:
        sync(folder)


def settle(layout: Layout) -> None:
    """Finish or undo what a compaction was killed in, if one was."""
    remove_replaced(layout)
    end(layout)


def end(layout: Layout) -> None:
    """Say that nothing is left to remove."""
    layout.compaction.unlink(missing_ok=True)


def _write(layout: Layout, target: AnyPath | None, sources: Sequence[AnyPath]) -> None:
    values = {
        "target": None if target is None else _name(target),
        "sources": [_name(source) for source in sources],
    }
    write_whole(layout.compaction, (json.dumps(values, indent=2) + "\n").encode())


def _name(part: AnyPath) -> str:
    return f"{part.parent.name}/{part.name}"
