"""Estimate the disk space that the rest of a job needs."""

from imagebeam.outputs.files import stats
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
    written = sum(
        stat.st_size
        for folder, parts in (
            (layout.predictions, layout.prediction_parts()),
            (layout.errors, layout.error_parts()),
        )
        for stat in stats(folder, parts).values()
    )
    return max(progress.plan.rows - progress.done, 0) * written // progress.done
