"""Reports to another program: one JSON object per line on standard error.

The same functions as those of `console`; standard output stays empty.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from imagebeam.outputs.layout import Layout
from imagebeam.outputs.progress import Progress

_LEAST_SECONDS = 1.0
"""Minimum time between two progress events."""


@contextmanager
def progress(
    stream: TextIO, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Progress], None]]:
    """Write `listing` at once, then `progress` at most once per second and only on changes."""
    _write("listing", stream)
    begin = next_time = 0.0
    done_before = 0
    latest: Progress | None = None
    listed = 0

    def show(now: Progress) -> None:
        nonlocal begin, next_time, latest, listed, done_before
        if now.plan is None:
            if now.listed > listed:
                listed = now.listed
                _write("listing", stream, images=listed)
            return
        if now == latest:
            return
        if latest is None:
            begin = next_time = clock()
            done_before = now.done
        if clock() < next_time:
            return
        latest, next_time = now, clock() + _LEAST_SECONDS
        # The speed before the first look is unknown.
        done = now.done - done_before
        rate = done / max(clock() - begin, 1e-9) if done else None
        _write(
            "progress",
            stream,
            done=now.done,
            to_do=now.plan.to_do,
            failed_by_code=dict(sorted(now.failed.items())),
            images_per_second=None if rate is None else round(rate, 3),
            seconds_left=None if rate is None else round((now.plan.to_do - now.done) / rate, 3),
        )

    yield show


def show_summary(
    layout: Layout, summary: dict[str, Any], seconds: float, core_seconds: float | None
) -> None:
    """`summary`: the content of summary.json, and the times of this run."""
    _write(
        "summary",
        output=str(layout.root),
        seconds=round(seconds, 3),
        core_seconds=None if core_seconds is None else round(core_seconds, 3),
        summary=summary,
    )


@contextmanager
def fetching(stream: TextIO) -> Iterator[Callable[[int, int | None], None]]:
    """Write `fetching` at most once per second while a module is downloaded."""
    next_time = 0.0

    def show(done: int, total: int | None) -> None:
        nonlocal next_time
        now = time.monotonic()
        if now >= next_time or done == total:
            next_time = now + _LEAST_SECONDS
            _write("fetching", stream, done_bytes=done, total_bytes=total)

    yield show


def report_warning(text: str) -> None:
    """`warning`: what the user should know before trusting the labels."""
    _write("warning", message=text)


def report_too_many_failures(failed: int, images: int, most: str) -> None:
    """`too_many_failed`: why the exit code is 1 although all rows are written."""
    _write("too_many_failed", failed=failed, images=images, limit=most)


def report_cancelled(job: str) -> None:
    """`cancelled`: a job that an earlier run left on a cluster was cancelled."""
    _write("cancelled", job=job)


def report_detached(layout: Layout) -> None:
    """`detached`: the job was submitted and runs on without this process."""
    _write("detached", output=str(layout.root))


def report_stopped(reason: str, layout: Layout) -> None:
    """`stopped`: the job stopped early; finished results are kept."""
    _write("stopped", output=str(layout.root), reason=reason)


def report_error(message: str, exit_code: int) -> None:
    """`error`: nothing was started, or the job broke."""
    _write("error", message=message, exit_code=exit_code)


def _write(event: str, stream: TextIO | None = None, **values: Any) -> None:
    # ASCII escapes preserve names that are not UTF-8 and keep each event on one line.
    print(json.dumps({"event": event, **values}), file=stream or sys.stderr, flush=True)
