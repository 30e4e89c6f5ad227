"""Estimate the disk space that the rest of a job needs."""

from imagebeam.outputs.layout import Layout
from imagebeam.outputs.progress import ProgressWatcher


def bytes_needed(layout: Layout) -> int | None:
    """Estimate the bytes of the rows that are still missing, by the size of those that exist.

    Returns:
        None if there are no rows to go by, or the number of images is not known yet.
    """
    progress = ProgressWatcher(layout, and_earlier=True).look()
    if progress.plan is None or not progress.done:
        return None
    found = layout.part_stats().values()
    written = sum(stat.st_size for folder in found for stat in folder.values())
    return max(progress.plan.rows - progress.done, 0) * written // progress.done
